"""The `wfst-asr` command: `wfst-asr NOUN VERB INPUT... OUTPUT --options`."""
