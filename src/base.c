/* Element types, shapes and status codes: what base.h declares. */
#include <backprop/base.h>

#include <string.h>

static const char *const status_texts[] = {
    [BP_OK] = "ok",
    [BP_ERR_ARGUMENT] = "unusable argument",
    [BP_ERR_SHAPE] = "shapes do not fit",
    [BP_ERR_DTYPE] = "element types do not fit",
    [BP_ERR_MEMORY] = "out of memory",
    [BP_ERR_VALUE] = "value out of range",
    [BP_ERR_ARITHMETIC] = "integer division by zero or overflow",
    [BP_ERR_GRADIENT] = "no gradient",
    [BP_ERR_NAME] = "name taken or not found",
    [BP_ERR_FILE] = "file cannot be opened, read or written",
    [BP_ERR_FORMAT] = "file is not what it should be",
    [BP_ERR_CHECK] = "check found a difference",
    [BP_ERR_STATE] = "not possible in this state",
    [BP_ERR_UNSUPPORTED] = "not supported",
};
_Static_assert(sizeof status_texts / sizeof status_texts[0] == BP_STATUS_COUNT,
               "every status has a text");

const char *bp_status_text(bp_status status) {
    if ((int)status < 0 || status >= BP_STATUS_COUNT)
        return "unknown status";
    return status_texts[status];
}

static const struct {
    const char *name;
    size_t size;
} dtypes[BP_DTYPE_COUNT] = {
    [BP_F32] = {"f32", 4}, [BP_F64] = {"f64", 8}, [BP_I32] = {"i32", 4},
    [BP_I64] = {"i64", 8}, [BP_U8] = {"u8", 1},   [BP_BOOL] = {"bool", 1},
};

static bool exists(bp_dtype dtype) { return (int)dtype >= 0 && dtype < BP_DTYPE_COUNT; }

size_t bp_dtype_size(bp_dtype dtype) { return exists(dtype) ? dtypes[dtype].size : 0; }

const char *bp_dtype_name(bp_dtype dtype) { return exists(dtype) ? dtypes[dtype].name : "?"; }

bool bp_dtype_is_float(bp_dtype dtype) { return dtype == BP_F32 || dtype == BP_F64; }

int64_t bp_shape_count(bp_shape shape) {
    const int64_t most = INT64_MAX / 16; /* the bytes of any type still fit */
    enum { FEW = 1 << 29 };              /* two factors below that need no division */
    if (shape.rank < 0 || shape.rank > BP_MAX_RANK)
        return -1;
    int64_t count = 1;
    bool empty = false;
    for (int k = 0; k < shape.rank; k++) {
        if (shape.size[k] < 0)
            return -1;
        if (shape.size[k] == 0)
            empty = true;
        else if ((count | shape.size[k]) >= FEW && count > most / shape.size[k])
            return -1;
        else
            count *= shape.size[k];
    }
    return empty ? 0 : count;
}

bool bp_shape_equal(bp_shape a, bp_shape b) {
    return a.rank == b.rank && a.rank >= 0 && a.rank <= BP_MAX_RANK &&
           memcmp(a.size, b.size, (size_t)a.rank * sizeof a.size[0]) == 0;
}
