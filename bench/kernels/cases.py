"""The cases of the kernel benchmark: what is computed, on which shape, and what is compared."""

SIZES = [1_000, 100_000, 10_000_000]

# name -> (elements of a row, or 0 for one flat array; is there a backward to time?)
CASES = {
    "sigmoid": (0, True), "tanh": (0, True), "exp": (0, True), "log": (0, True),
    "gelu": (0, True), "gelu_tanh": (0, True),
    "softmax_10": (10, True), "softmax_1000": (1000, True),
    "log_softmax_10": (10, True), "log_softmax_1000": (1000, True),
    "cross_entropy_10": (10, True), "cross_entropy_1000": (1000, True),
    "layer_norm": (768, True),
    "sum_rows": (1000, False), "sum_columns": (1000, False),
    "adam": (0, False),
}
ACCURATE = ["exp", "tanh", "sigmoid", "log"]


def shape(name, size):
    """(rows, columns); a row is never left out."""
    row = CASES[name][0] or size
    return max(1, size // row), row
