/* Elementwise kernels with broadcast operands.
 *
 * The result is computed in chunks that fit the first-level cache: some whole rows of it, or a part of
 * one. For each chunk every operand is handed to the kernel as a contiguous run: as it lies in memory
 * where it has the shape of the result, else out of a small buffer that it is spread into; a scalar, or a
 * row that repeats, is spread only once. Dimensions that are contiguous in all operands are taken
 * together first, so that most cases are one row or a few long ones. */
#include <string.h>

#include "inside.h"

enum { MOST = 3, CHUNK = 512 }; /* operands; elements */

typedef enum feed_kind {
    WHOLE, /* has the shape of the result */
    ONCE,  /* a scalar, or one row for all: the buffer holds for all chunks */
    ROWS   /* anything else */
} feed_kind;

typedef struct feed {
    feed_kind kind;
    size_t item;                 /* bytes of an element */
    int64_t stride[BP_MAX_RANK]; /* elements; 0 where it is broadcast */
} feed;

struct bpi_spread {
    const double *attr;
    int inputs, rank;
    int64_t size[BP_MAX_RANK]; /* of the result, after taking dimensions together */
    int64_t row, chunk;        /* elements: the last size, and how many at a time */
    size_t item;               /* bytes of an element of the result */
    feed x[MOST];
};

/* ---- the plan of it ----------------------------------------------------------------------------- */

/* Strides of an operand along the dimensions of the result. */
static void broadcast_strides(const bp_shape *x, const bp_shape *y, int64_t *stride) {
    int64_t step = 1;
    for (int k = y->rank - 1, j = x->rank - 1; k >= 0; k--, j--) {
        stride[k] = j >= 0 && x->size[j] != 1 ? step : 0;
        step *= j >= 0 ? x->size[j] : 1;
    }
}

/* Tells whether dimension `k` continues the one before it in all operands. */
static bool continues(const bpi_spread *s, int before, const int64_t *stride, int64_t size) {
    for (int i = 0; i < s->inputs; i++)
        if (s->x[i].stride[before] != stride[i] * size)
            return false;
    return true;
}

/* Takes dimensions together where that is possible and leaves out those of size 1. */
static void collapse(bpi_spread *s, const bp_shape *y) {
    int rank = 0;
    for (int k = 0; k < y->rank; k++) {
        int64_t stride[MOST];
        for (int i = 0; i < s->inputs; i++)
            stride[i] = s->x[i].stride[k];
        if (y->size[k] == 1)
            continue;
        bool joined = rank > 0 && continues(s, rank - 1, stride, y->size[k]);
        int to = joined ? rank - 1 : rank++;
        s->size[to] = joined ? s->size[to] * y->size[k] : y->size[k];
        for (int i = 0; i < s->inputs; i++)
            s->x[i].stride[to] = stride[i];
    }
    s->rank = rank;
    s->row = rank ? s->size[rank - 1] : 1;
}

static feed_kind kind_of(const bpi_spread *s, const feed *x, int64_t count, int64_t own_count) {
    if (own_count == count)
        return WHOLE;
    for (int k = 0; k < s->rank - 1; k++)
        if (x->stride[k] != 0)
            return ROWS;
    /* One row for all; when it is long a chunk is a part of it, and must be looked for each time. */
    return s->rank == 0 || x->stride[s->rank - 1] == 0 || s->row <= CHUNK ? ONCE : ROWS;
}

const bpi_spread *bpi_spread_of(bpi_program *program, const bpi_step *step, const double *attr,
                                bool *plain) {
    const bp_type *y = program->regs[step->y].type;
    int64_t count = bp_shape_count(y->shape);
    *plain = true;
    for (int k = 0; k < step->inputs; k++)
        *plain = *plain && bp_shape_count(program->regs[step->x[k]].type->shape) == count;
    if (*plain)
        return NULL;
    bpi_spread *s = bpi_arena_alloc(&program->memory, sizeof *s);
    if (!s)
        return NULL;
    *s = (bpi_spread){.attr = attr, .inputs = step->inputs, .item = bp_dtype_size(y->dtype)};
    for (int k = 0; k < step->inputs; k++) {
        const bp_type *x = program->regs[step->x[k]].type;
        s->x[k].item = bp_dtype_size(x->dtype);
        broadcast_strides(&x->shape, &y->shape, s->x[k].stride);
    }
    collapse(s, &y->shape);
    s->chunk = s->row >= CHUNK || s->row == 0 ? CHUNK : CHUNK / s->row * s->row;
    for (int k = 0; k < step->inputs; k++)
        s->x[k].kind = kind_of(s, &s->x[k], count,
                               bp_shape_count(program->regs[step->x[k]].type->shape));
    return s;
}

/* ---- spreading ---------------------------------------------------------------------------------- */

static void splat(size_t item, const void *from, void *to, int64_t n) {
    if (item == 4) {
        uint32_t value, *out = to;
        memcpy(&value, from, sizeof value);
        for (int64_t i = 0; i < n; i++)
            out[i] = value;
    } else if (item == 8) {
        uint64_t value, *out = to;
        memcpy(&value, from, sizeof value);
        for (int64_t i = 0; i < n; i++)
            out[i] = value;
    } else {
        memset(to, *(const unsigned char *)from, (size_t)n);
    }
}

static void copy_row(size_t item, const void *from, void *to, int64_t n) {
    if (item == 4 && n <= 16) { /* short rows are not worth a call */
        uint32_t *out = to;
        for (int64_t i = 0; i < n; i++)
            memcpy(&out[i], (const char *)from + 4 * i, 4);
    } else {
        memcpy(to, from, (size_t)n * item);
    }
}

/* Writes `n` elements of a row, from column `column` on. */
static void spread_row(const bpi_spread *s, const feed *x, const char *row, int64_t column, int64_t n,
                       char *to) {
    if (s->rank == 0 || x->stride[s->rank - 1] == 0)
        splat(x->item, row, to, n);
    else
        copy_row(x->item, row + (size_t)column * x->item, to, n);
}

/* The place of row number `row` of an operand, in elements; `index` becomes its position. */
static int64_t find_row(const bpi_spread *s, const feed *x, int64_t row, int64_t *index) {
    int64_t place = 0;
    for (int k = s->rank - 2; k >= 0; k--) {
        index[k] = k > 0 ? row % s->size[k] : row;
        row = k > 0 ? row / s->size[k] : 0;
        place += index[k] * x->stride[k];
    }
    return place;
}

static int64_t next_row(const bpi_spread *s, const feed *x, int64_t place, int64_t *index) {
    for (int k = s->rank - 2; k >= 0; k--) {
        place += x->stride[k];
        if (++index[k] < s->size[k])
            break;
        place -= index[k] * x->stride[k];
        index[k] = 0;
    }
    return place;
}

/* Writes elements first .. first+n of an operand, broadcast, to `to`: a part of a row, or whole rows. */
static void spread(const bpi_spread *s, const feed *x, const char *data, int64_t first, int64_t n,
                   char *to) {
    int64_t index[BP_MAX_RANK];
    int64_t column = first % s->row;
    int64_t place = find_row(s, x, first / s->row, index);
    for (int64_t done = 0; done < n; done += s->row) {
        int64_t part = n - done < s->row ? n - done : s->row;
        spread_row(s, x, data + (size_t)place * x->item, column, part, to + (size_t)done * x->item);
        place = next_row(s, x, place, index);
    }
}

/* How many elements from `first` on are the next chunk: never more than the rest of a long row. */
static int64_t chunk_at(const bpi_spread *s, int64_t first, int64_t count) {
    int64_t n = s->chunk;
    if (s->row > CHUNK && s->row - first % s->row < n)
        n = s->row - first % s->row;
    return count - first < n ? count - first : n;
}

bp_status bpi_run_spread(const bpi_instruction *self) {
    const bpi_spread *s = self->more;
    int64_t count = (int64_t)self->n;
    _Alignas(64) uint64_t buffers[MOST][CHUNK];
    const void *x[MOST];
    for (int k = 0; k < s->inputs; k++) {
        x[k] = buffers[k];
        if (s->x[k].kind == ONCE && count > 0)
            spread(s, &s->x[k], self->x[k], 0, chunk_at(s, 0, count), (char *)buffers[k]);
    }
    for (int64_t first = 0, n; first < count; first += n) {
        n = chunk_at(s, first, count);
        for (int k = 0; k < s->inputs; k++)
            if (s->x[k].kind == WHOLE)
                x[k] = (const char *)self->x[k] + (size_t)first * s->x[k].item;
            else if (s->x[k].kind == ROWS)
                spread(s, &s->x[k], self->x[k], first, n, (char *)buffers[k]);
        bp_status status = self->map((size_t)n, x, (char *)self->y + (size_t)first * s->item, s->attr);
        if (status != BP_OK)
            return status;
    }
    return BP_OK;
}
