"""The refusal of arguments: by name, with the nearest one that is supported."""

import difflib
from collections.abc import Iterable

from shared.learner.arguments.errors import ArgumentsError, InvalidArgument, UnsupportedArgument

_FILES = frozenset(
    {"-d", "--data", "-i", "--initial_regressor", "-f", "--final_regressor", "-p", "--predictions",
     "-r", "--raw_predictions", "-c", "--cache", "--cache_file", "-k", "--kill_cache", "--daemon",
     "--compressed", "--port", "--port_file", "--pid_file", "--no_stdin", "--no_daemon", "--csv",
     "--flatbuffer", "--chain_hash", "-t", "--testonly", "--predict_only_model", "--sendto",
     "--readable_model", "--invert_hash", "--feature_mask", "--dictionary", "--dictionary_path",
     "--input_feature_regularizer", "--output_feature_regularizer_binary",
     "--output_feature_regularizer_text", "--save_per_pass", "--extra_metrics", "-P", "--progress",
     "--driver_output", "--log_level", "--log_output", "-a", "--audit", "--help", "--version"}
)  # fmt: skip
"""Arguments of VW's program, which say where to read and what to write."""

_NEAR_IN_MEANING = {
    "--cb_explore_adf": (
        "--cb", "--cb_adf", "--cb_explore", "--cb_explore_pdf", "--cb_to_cbadf", "--cb_sample",
        "--cb_discrete", "--cbify", "--cats", "--cats_pdf", "--cats_tree", "--warm_cb",
        "--explore_eval", "--csoaa_ldf", "--wap_ldf", "--csoaa", "--rank_all", "--search",
    ),
    "--ccb_explore_adf": ("--slates", "--ccb_no_slot_index", "--all_slots_loss"),
    "--squarecb": ("--graph_feedback", "--cb_dro"),
    "--large_action_space": ("--two_pass_svd",),
    "--regcb": ("--confidence", "--active", "--active_cover", "--cs_active"),
    "--bag": ("--bootstrap", "--boosting", "--replay_c", "--bs_type"),
    "--interactions": (
        "--redefine", "--ngram", "--skips", "--affix", "--spelling", "--permutations", "--nn",
        "--stage_poly", "--autolink", "--lrq", "--lrqfa", "--new_mf", "--automl", "--aml",
        "--ksvm", "--experimental_full_name_interactions",
    ),
    "--marginal": ("--compete", "--update_before_learn"),
    "--ignore": ("--feature_limit", "--ignore_features_dsjson_experimental"),
    "--adaptive": (
        "--ftrl", "--pistol", "--coin", "--bfgs", "--svrg", "--OjaNewton", "--freegrad", "--cbzo",
        "--adax", "--conjugate_gradient", "--epsilon_decay",
    ),
    "--learning_rate": ("--passes", "--decay_learning_rate", "--initial_pass_length"),
    "--min_prediction": ("--loss_function", "--link", "--quantile_tau", "--logistic_min"),
    "--max_prediction": ("--logistic_max",),
    "--bit_precision": ("--hash", "--hash_seed", "--random_seed", "--sparse_weights"),
    "--noconstant": ("-C", "--constant", "--no_bias_regularization", "--baseline"),
    "--l2": ("--sparse_l2", "--initial_weight"),
}  # fmt: skip
_NEAREST = {name: near for near, names in _NEAR_IN_MEANING.items() for name in names}


def refusal(name: str, supported: Iterable[str]) -> ArgumentsError:
    """Return the refusal of an argument that is none of those that are supported."""
    shown = name[:40]
    if not name.startswith("-"):
        return InvalidArgument(shown, f"{shown!r} is not an argument")
    if name in _FILES:
        return UnsupportedArgument(
            shown, f"{shown} is refused: input, output and files are not settings"
        )
    near = (
        _NEAREST.get(name)
        or difflib.get_close_matches(name, sorted(supported), n=1, cutoff=0.0).pop()
    )
    return UnsupportedArgument(
        shown, f"{shown} is not supported; the nearest supported argument is {near}"
    )
