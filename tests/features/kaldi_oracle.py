"""Features by the pip package kaldi-native-fbank, for comparison."""

from typing import Any

import kaldi_native_fbank as knf
import numpy as np

from wfst_asr.features.fbank import FbankOptions
from wfst_asr.features.frames import FrameOptions
from wfst_asr.features.mel import MelOptions
from wfst_asr.features.mfcc import MfccOptions


def _fill(target: Any, frames: FrameOptions, mel: MelOptions) -> None:
    target.frame_opts.samp_freq = frames.sample_rate_hz
    target.frame_opts.frame_shift_ms = frames.frame_shift_ms
    target.frame_opts.frame_length_ms = frames.frame_length_ms
    target.frame_opts.dither = 0.0
    target.frame_opts.preemph_coeff = frames.preemphasis
    target.frame_opts.remove_dc_offset = frames.remove_dc_offset
    target.frame_opts.window_type = frames.window
    target.frame_opts.blackman_coeff = frames.blackman_coeff
    target.frame_opts.round_to_power_of_two = frames.round_to_power_of_two
    target.frame_opts.snip_edges = frames.snip_edges
    target.mel_opts.num_bins = mel.num_bins
    target.mel_opts.low_freq = mel.low_freq_hz
    target.mel_opts.high_freq = mel.high_freq_hz
    target.mel_opts.htk_mode = mel.htk_mode


def _run(computer: Any, samples: np.ndarray, rate: float) -> np.ndarray:
    computer.accept_waveform(rate, samples.tolist())
    computer.input_finished()
    frames = [computer.get_frame(i) for i in range(computer.num_frames_ready)]
    return np.array(frames, dtype=np.float32).reshape(len(frames), computer.dim)


def kaldi_fbank(samples: np.ndarray, options: FbankOptions) -> np.ndarray:
    theirs = knf.FbankOptions()
    _fill(theirs, options.frames, options.mel)
    for name in ("use_energy", "raw_energy", "energy_floor", "htk_compat", "use_log_fbank", "use_power"):
        setattr(theirs, name, getattr(options, name))
    return _run(knf.OnlineFbank(theirs), samples, options.frames.sample_rate_hz)


def kaldi_mfcc(samples: np.ndarray, options: MfccOptions) -> np.ndarray:
    theirs = knf.MfccOptions()
    _fill(theirs, options.frames, options.mel)
    for name in ("num_ceps", "use_energy", "raw_energy", "energy_floor", "cepstral_lifter", "htk_compat"):
        setattr(theirs, name, getattr(options, name))
    return _run(knf.OnlineMfcc(theirs), samples, options.frames.sample_rate_hz)
