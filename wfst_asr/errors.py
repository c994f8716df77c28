"""The one exception that means: the user's input is at fault, and the message says what to do."""


class WfstAsrError(Exception):
    """An error of input, files or options, told in one sentence.

    The message says where, what with its value, what was expected and what to do, in lower case with names in
    quotes.  The command line prints it without a traceback and exits with status 1.

    >>> raise WfstAsrError("lang/G.fst: no such file; make it with: wfst-asr lm compile lang.arpa lang")
    Traceback (most recent call last):
        ...
    wfst_asr.errors.WfstAsrError: lang/G.fst: no such file; make it with: wfst-asr lm compile lang.arpa lang
    """


class WfstAsrWarning(UserWarning):
    """Something was skipped, resampled or guessed; given once with a count."""
