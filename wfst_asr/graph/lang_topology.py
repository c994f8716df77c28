"""The HMMs of the phones of a lang directory: by numbers of states, or from a topo file with names of phones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm.topology import HmmTopology, kaldi_topology, read_topology
from wfst_asr.lexicon.phone_set import PhoneSet

SPEECH, SILENCE = "NONSILENCEPHONES", "SILENCEPHONES"


@dataclass(frozen=True)
class LangTopology:
    """What HMM each phone gets.

    Attributes:
        num_states: states of a phone of speech, left-to-right.
        num_silence_states: states of a phone of silence or noise, joined; with 1 or 2 left-to-right.
        skip_prob: probability of passing over the next state, in phones of speech.
        states_of_phone: numbers of states of phones that are to have others; names without position marks.
        file: a topo file to take instead of all these.  Between its `<ForPhones>` and `</ForPhones>` stand names of
            phones (without mark: all variants), ids, `NONSILENCEPHONES` or `SILENCEPHONES`.
    """

    num_states: int = 3
    num_silence_states: int = 5
    skip_prob: float = 0.0
    states_of_phone: Mapping[str, int] = field(default_factory=dict)
    file: Path | None = None

    def of_phones(self, phone_set: PhoneSet, phones: Mapping[str, int]) -> HmmTopology:
        """Return the topology of the phones with these ids.

        Raises:
            WfstAsrError: a name that is no phone, a phone without HMM, or an HMM that cannot be.
        """
        speech = [phones[name] for name in phone_set.nonsilence_phones]
        silence = [phones[name] for name in phone_set.silence_phones]
        if self.file is not None:
            return self._of_file(self.file, phone_set, phones)
        own = {}
        for name, count in self.states_of_phone.items():
            if name not in (*phone_set.silence, *phone_set.nonsilence):
                raise WfstAsrError(f"{count} states were asked for the phone '{name}', which is in no phone set")
            own.update({phones[variant]: count for variant in phone_set.variants(name)})
        return kaldi_topology(
            speech,
            silence,
            num_states=self.num_states,
            num_silence_states=self.num_silence_states,
            skip_prob=self.skip_prob,
            states_of_phone=own,
        )

    def _of_file(self, file: Path, phone_set: PhoneSet, phones: Mapping[str, int]) -> HmmTopology:
        every = {phones[name]: name for name in (*phone_set.silence_phones, *phone_set.nonsilence_phones)}

        def ids(word: str) -> Iterator[int]:
            if word in (*phone_set.silence, *phone_set.nonsilence):
                yield from (phones[variant] for variant in phone_set.variants(word))
            elif word in phones and phones[word] in every:
                yield phones[word]
            elif word in (SPEECH, SILENCE):
                names = phone_set.nonsilence_phones if word == SPEECH else phone_set.silence_phones
                yield from (phones[name] for name in names)
            elif word.isdecimal() and int(word) in every:
                yield int(word)
            else:
                raise WfstAsrError(f"'{word}' in <ForPhones> is neither the name nor the id of a phone of the lexicon")

        topology = read_topology(file, phone_ids=ids)
        missing = [name for phone, name in sorted(every.items()) if phone not in topology.entry_of_phone]
        if missing:
            shown = ", ".join(f"'{name}'" for name in missing[:5]) + (" ..." if len(missing) > 5 else "")
            raise WfstAsrError(
                f"{file}: has no topology for {len(missing)} phones ({shown}); add them to a <ForPhones>"
            )
        return topology
