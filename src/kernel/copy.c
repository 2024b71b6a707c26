/* Moving elements between strided arrays. The fast version drops dimensions of size 1, merges those
 * that are contiguous on both sides, and then copies runs, repeats single elements, or transposes
 * in tiles that fit the first-level cache. */
#include "copy.h"

#include <string.h>

void bpi_strides(const bp_shape *shape, int64_t *stride) {
    int64_t step = 1;
    for (int k = shape->rank - 1; k >= 0; k--) {
        stride[k] = step;
        step *= shape->size[k];
    }
}

int64_t bpi_place(int rank, const int64_t *size, const int64_t *stride, int64_t index) {
    int64_t place = 0;
    for (int k = rank - 1; k >= 0; k--) {
        place += index % size[k] * stride[k];
        index /= size[k];
    }
    return place;
}

static int64_t count_of(const bpi_move *move) {
    int64_t count = 1;
    for (int k = 0; k < move->rank; k++)
        count *= move->size[k];
    return count;
}

void bpi_move_reference(const bpi_move *move, size_t item, const void *x, void *y) {
    int64_t count = count_of(move);
    for (int64_t i = 0; i < count; i++) {
        int64_t from = bpi_place(move->rank, move->size, move->from, i);
        int64_t to = bpi_place(move->rank, move->size, move->to, i);
        memcpy((char *)y + to * (int64_t)item, (const char *)x + from * (int64_t)item, item);
    }
}

/* ---- the fast version ------------------------------------------------------------------------ */

/* Returns the same move with as few dimensions as can be. */
static bpi_move simplify(const bpi_move *move) {
    bpi_move out = {.rank = 0};
    for (int k = 0; k < move->rank; k++) {
        int last = out.rank - 1;
        if (move->size[k] == 1)
            continue;
        if (last >= 0 && out.from[last] == move->from[k] * move->size[k] &&
            out.to[last] == move->to[k] * move->size[k]) {
            out.size[last] *= move->size[k];
            out.from[last] = move->from[k];
            out.to[last] = move->to[k];
            continue;
        }
        out.size[out.rank] = move->size[k];
        out.from[out.rank] = move->from[k];
        out.to[out.rank] = move->to[k];
        out.rank++;
    }
    return out;
}

/* Two dimensions: y[i to0 + j to1] = x[i from0 + j from1]. */
typedef struct plane {
    int64_t rows, columns, from0, from1, to0, to1;
} plane;

/* Copies in tiles: the TILE cache lines on either side stay in the cache while they are used.
 * Called with a constant `item`, so that an element is one move. */
enum { TILE = 16 };

static inline void copy_tile(const plane *p, size_t item, int64_t i0, int64_t j0, const char *x,
                             char *y) {
    int64_t bytes = (int64_t)item;
    for (int64_t i = i0; i < p->rows && i < i0 + TILE; i++)
        for (int64_t j = j0; j < p->columns && j < j0 + TILE; j++)
            memcpy(y + (i * p->to0 + j * p->to1) * bytes, x + (i * p->from0 + j * p->from1) * bytes,
                   item);
}

static void copy_tiles(const plane *p, size_t item, const char *x, char *y) {
    for (int64_t i = 0; i < p->rows; i += TILE)
        for (int64_t j = 0; j < p->columns; j += TILE)
            if (item == 8)
                copy_tile(p, 8, i, j, x, y);
            else if (item == 4)
                copy_tile(p, 4, i, j, x, y);
            else
                copy_tile(p, 1, i, j, x, y);
}

static inline void repeat_item(int64_t n, size_t item, const char *x, char *y) {
    char value[8];
    memcpy(value, x, item);
    for (int64_t i = 0; i < n; i++)
        memcpy(y + i * (int64_t)item, value, item);
}

static void repeat(int64_t n, size_t item, const char *x, char *y) {
    if (item == 8)
        repeat_item(n, 8, x, y);
    else if (item == 4)
        repeat_item(n, 4, x, y);
    else
        memset(y, *x, (size_t)n);
}

static void copy_plane(const plane *p, size_t item, const char *x, char *y) {
    int64_t bytes = (int64_t)item;
    if (p->to1 == 1 && p->from1 <= 1) {
        for (int64_t i = 0; i < p->rows; i++) {
            const char *from = x + i * p->from0 * bytes;
            char *to = y + i * p->to0 * bytes;
            if (p->from1 == 1)
                memcpy(to, from, (size_t)(p->columns * bytes));
            else
                repeat(p->columns, item, from, to);
        }
        return;
    }
    copy_tiles(p, item, x, y);
}

/* Takes the last dimension and another one as the plane: the one that is contiguous in x, so that a
 * transpose reads whole cache lines; otherwise the one before the last. Removes both from
 * `move`. */
static plane take_plane(bpi_move *move) {
    int last = move->rank - 1, other = last - 1;
    if (last < 0)
        return (plane){1, 1, 0, 1, 0, 1};
    if (move->from[last] > 1)
        for (int k = 0; k < last; k++)
            if (move->from[k] == 1)
                other = k;
    plane p = {1, move->size[last], 0, move->from[last], 0, move->to[last]};
    move->rank = last;
    if (other < 0)
        return p;
    p.rows = move->size[other];
    p.from0 = move->from[other];
    p.to0 = move->to[other];
    for (int k = other; k < last - 1; k++) {
        move->size[k] = move->size[k + 1];
        move->from[k] = move->from[k + 1];
        move->to[k] = move->to[k + 1];
    }
    move->rank = last - 1;
    return p;
}

void bpi_move_fast(const bpi_move *move, size_t item, const void *x, void *y) {
    if (count_of(move) == 0)
        return;
    bpi_move rest = simplify(move);
    plane p = take_plane(&rest);
    int64_t planes = count_of(&rest);
    for (int64_t i = 0; i < planes; i++) {
        int64_t from = bpi_place(rest.rank, rest.size, rest.from, i);
        int64_t to = bpi_place(rest.rank, rest.size, rest.to, i);
        copy_plane(&p, item, (const char *)x + from * (int64_t)item,
                   (char *)y + to * (int64_t)item);
    }
}
