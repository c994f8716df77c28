"""States tied by a phonetic decision tree, and the first model of the tied states, one Gaussian each."""

from dataclasses import dataclass

from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.acoustic_model import AcousticModel, single_gaussians
from wfst_asr.hmm.transition_model import TransitionModel, transition_model_from_tree
from wfst_asr.train.lang import TrainingLang
from wfst_asr.tree.built_tree import BuiltTree, statistics_by_pdf
from wfst_asr.tree.decision_tree import DecisionTree
from wfst_asr.tree.questions import cluster_questions
from wfst_asr.tree.split import build_tree
from wfst_asr.tree.stats import TreeStatistics


@dataclass(frozen=True)
class TyingOptions:
    """How states are tied.

    Attributes:
        num_leaves: tied states asked for; None: one for `frames_per_leaf` frames of speech.
        frames_per_leaf: see there.
        min_gain: a split must raise the log likelihood by at least this much.
        min_count: frames that each side of a split must have.
        max_depth: questions above a leaf, at most; None for no limit.
        merge_threshold: leaves are merged where that costs less; None: as much as the least split gained.
        questions: sets of phones to ask for, by name; None: found in the data.
    """

    num_leaves: int | None = None
    frames_per_leaf: float = 300.0
    min_gain: float = 300.0
    min_count: float = 30.0
    max_depth: int | None = None
    merge_threshold: float | None = None
    questions: tuple[frozenset[int], ...] | None = None

    def __post_init__(self) -> None:
        if self.num_leaves is not None and self.num_leaves < 1:
            raise WfstAsrError(f"num_leaves is {self.num_leaves}; expected at least 1")
        if not self.frames_per_leaf > 0:
            raise WfstAsrError(f"frames_per_leaf is {self.frames_per_leaf}; expected more than 0")


@dataclass(frozen=True)
class TiedModel:
    """Tied states with one Gaussian each.

    Attributes:
        tree: the tree.
        transitions: transition model with the topology's probabilities.
        gmm: one Gaussian a state.
        report: what the tree's construction tells.
    """

    tree: DecisionTree
    transitions: TransitionModel
    gmm: AcousticModel
    report: BuiltTree


def tie_states(
    stats: TreeStatistics, lang: TrainingLang, options: TyingOptions, *, speech_frames: int, min_variance: float
) -> TiedModel:
    """Build the tree of triphone states and the first model.

    Args:
        stats: frames of every HMM state of a phone in context.
        lang: phones, their sets and topology.
        options: sizes and limits.
        speech_frames: frames that are not silence.
        min_variance: floor of the Gaussians' variances.
    """
    questions = options.questions
    if questions is None:
        sets = [root.phones for root in lang.roots]
        questions = (*cluster_questions(stats, sets), *lang.extra_questions)
    sizes = {phone: lang.topology.num_pdf_classes(phone) for phone in lang.topology.phones}
    num_leaves = options.num_leaves or max(round(speech_frames / options.frames_per_leaf), 1)
    built = build_tree(
        stats,
        questions=questions,
        roots=lang.roots,
        num_pdf_classes=sizes,
        max_leaves=num_leaves,
        min_gain=options.min_gain,
        min_count=options.min_count,
        max_depth=options.max_depth,
        merge_threshold=options.merge_threshold,
    )
    transitions = transition_model_from_tree(built.tree, lang.topology)
    count, first, second = statistics_by_pdf(built, stats)
    gmm = single_gaussians(count, first, second, variance_floor=min_variance)
    return TiedModel(built.tree, transitions, gmm, built)
