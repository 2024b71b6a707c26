/* Placing buffers with known lifetimes in one block of memory.
 *
 * Dynamic storage allocation is NP-hard; two greedy methods come within a few per cent for
 * networks. For up to a thousand buffers: one after the other, largest first (or longest-lived,
 * or first used), each into the smallest gap between those already placed whose lifetimes
 * overlap its own; then again with the one on top placed first; the best wins. Time grows with
 * the square of the number. For more: in the order of time, as an allocator would (two-level
 * segregated fit, Masmano et al. 2004), in linear time. */
#include "offsets.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

enum { FEW = 1024 };

/* ---- the bound ------------------------------------------------------------------------------- */

/* The largest sum of the buffers that live at one step. */
static bool find_bound(const bpi_buffer *buffers, size_t count, size_t steps, size_t *bound) {
    size_t *change = bpi_alloc_zeroed((steps + 2) * sizeof *change); /* modulo 2^64 */
    if (!change)
        return false;
    for (size_t k = 0; k < count; k++) {
        change[buffers[k].first] += buffers[k].bytes;
        change[(size_t)buffers[k].last + 1] -= buffers[k].bytes;
    }
    size_t live = 0;
    *bound = 0;
    for (size_t s = 0; s <= steps; s++) {
        live += change[s];
        *bound = live > *bound ? live : *bound;
    }
    bpi_free(change);
    return true;
}

/* ---- few buffers: by an order, into the best gap --------------------------------------------- */

typedef int order(const void *a, const void *b); /* of bpi_buffer * */

static int compare(size_t a, size_t b) { return (a > b) - (a < b); }

static const bpi_buffer *at(const void *p) { return *(bpi_buffer *const *)p; }

static size_t life(const bpi_buffer *b) { return (size_t)b->last - b->first; }

/* Ends every comparison, so that the order is one. */
static int by_time(const void *a, const void *b) {
    int time = compare(at(a)->first, at(b)->first);
    return time ? time : compare((size_t)at(a), (size_t)at(b));
}

static int by_size(const void *a, const void *b) {
    int size = compare(at(b)->bytes, at(a)->bytes), longer = compare(life(at(b)), life(at(a)));
    return size ? size : longer ? longer : by_time(a, b);
}

static int by_life(const void *a, const void *b) {
    int longer = compare(life(at(b)), life(at(a)));
    return longer ? longer : by_size(a, b);
}

static bool overlap(const bpi_buffer *a, const bpi_buffer *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* The offset of the smallest gap, between those `placed` (sorted by offset) that overlap
 * `buffer` in time, that it fits in; behind all of them when there is none. */
static size_t best_gap(bpi_buffer *const *placed, size_t count, const bpi_buffer *buffer) {
    size_t end = 0, best = SIZE_MAX, best_size = SIZE_MAX;
    for (size_t k = 0; k < count; k++) {
        if (!overlap(placed[k], buffer))
            continue;
        if (placed[k]->offset > end) {
            size_t gap = placed[k]->offset - end;
            if (gap >= buffer->bytes && gap < best_size) {
                best = end;
                best_size = gap;
            }
        }
        size_t behind = placed[k]->offset + placed[k]->bytes;
        end = behind > end ? behind : end;
    }
    return best != SIZE_MAX ? best : end;
}

static void insert(bpi_buffer **placed, size_t count, bpi_buffer *buffer) {
    size_t k = count;
    for (; k > 0 && placed[k - 1]->offset > buffer->offset; k--)
        placed[k] = placed[k - 1];
    placed[k] = buffer;
}

/* Places the buffers in the order of `sorted`; returns the size of the block, and in *top the
 * place in that order of the buffer that reaches its end. */
static size_t place_in_order(bpi_buffer **sorted, size_t count, bpi_buffer **placed, size_t *top) {
    size_t total = 0;
    for (size_t k = 0; k < count; k++) {
        sorted[k]->offset = best_gap(placed, k, sorted[k]);
        insert(placed, k, sorted[k]);
        size_t end = sorted[k]->offset + sorted[k]->bytes;
        if (end > total || k == 0) {
            total = end;
            *top = k;
        }
    }
    return total;
}

static void keep_best(const bpi_buffer *buffers, size_t count, size_t size, size_t *total,
                      size_t *best) {
    if (size >= *total)
        return;
    *total = size;
    for (size_t k = 0; k < count; k++)
        best[k] = buffers[k].offset;
}

/* Tries an order, and then that order with the buffer that ended up on top placed first, a few
 * times. */
static void try_order(bpi_buffer *buffers, size_t count, order *before, bpi_buffer **sorted,
                      size_t bound, size_t *total, size_t *best) {
    bpi_buffer **placed = sorted + count;
    for (size_t k = 0; k < count; k++)
        sorted[k] = &buffers[k];
    qsort(sorted, count, sizeof *sorted, before);
    for (int tries = count <= 256 ? 32 : 1; tries > 0 && bound < *total; tries--) {
        size_t top = 0;
        keep_best(buffers, count, place_in_order(sorted, count, placed, &top), total, best);
        bpi_buffer *first = sorted[top];
        memmove(sorted + 1, sorted, top * sizeof *sorted);
        sorted[0] = first;
    }
}

static bool place_few(bpi_buffer *buffers, size_t count, size_t bound, size_t *total) {
    static order *const orders[] = {by_size, by_life, by_time};
    bpi_buffer **sorted = bpi_alloc(2 * count * sizeof *sorted);
    size_t *best = bpi_alloc(count * sizeof *best);
    bool ok = sorted && best;
    *total = SIZE_MAX;
    for (size_t k = 0; k < sizeof orders / sizeof *orders && ok; k++)
        try_order(buffers, count, orders[k], sorted, bound, total, best);
    for (size_t k = 0; k < count && ok; k++)
        buffers[k].offset = best[k];
    bpi_free(sorted);
    bpi_free(best);
    return ok;
}

/* ---- many buffers: in the order of time ------------------------------------------------------ */

/* Free blocks are found by size class: powers of two, each cut in 8. */
enum { CUTS = 8, CLASSES = 64 * CUTS, NONE = -1 };

/* A part of the memory, in use or free. */
typedef struct block {
    size_t offset, bytes;
    int64_t before, behind;      /* neighbours in memory */
    int64_t previous, following; /* of a free block: others of its class */
    bool is_free;
} block;

typedef struct heap {
    block *blocks;
    int64_t count, last;         /* last: the block at the end of the memory */
    int64_t unused;              /* list of records that stand for no block, by `following` */
    int64_t first[CLASSES];      /* free blocks */
    uint64_t some[CLASSES / 64]; /* a bit for each class that has a free block */
    size_t total;
} heap;

/* The class of a size; all blocks of the classes above it are large enough. */
static int class_of(size_t bytes) {
    int power = 3;
    for (int half = 32; half > 0; half /= 2)
        if (power + half < 64 && (uint64_t)bytes >> (power + half))
            power += half;
    return power * CUTS + (int)(bytes >> (power - 3) & (CUTS - 1));
}

static void unlink_free(heap *h, int64_t k) {
    block *b = &h->blocks[k];
    int c = class_of(b->bytes);
    if (b->previous != NONE)
        h->blocks[b->previous].following = b->following;
    else
        h->first[c] = b->following;
    if (h->first[c] == NONE)
        h->some[c / 64] &= ~((uint64_t)1 << c % 64);
    if (b->following != NONE)
        h->blocks[b->following].previous = b->previous;
    b->is_free = false;
}

static void link_free(heap *h, int64_t k) {
    block *b = &h->blocks[k];
    int c = class_of(b->bytes);
    int64_t *first = &h->first[c];
    h->some[c / 64] |= (uint64_t)1 << c % 64;
    b->is_free = true;
    b->previous = NONE;
    b->following = *first;
    if (*first != NONE)
        h->blocks[*first].previous = k;
    *first = k;
}

static int64_t new_record(heap *h) {
    if (h->unused == NONE)
        return h->count++;
    int64_t k = h->unused;
    h->unused = h->blocks[k].following;
    return k;
}

/* The lowest class above `c` that has a free block; NONE when there is none. */
static int class_above(const heap *h, int c) {
    for (c++; c < CLASSES; c++) {
        uint64_t rest = h->some[c / 64] >> c % 64;
        if (rest & 1)
            return c;
        if (rest == 0)
            c |= 63; /* on to the next word */
    }
    return NONE;
}

/* A free block of at least `bytes`: the first of its own class that fits among a few, else the
 * first of the next class that has one. */
static int64_t find_free(const heap *h, size_t bytes) {
    int64_t k = h->first[class_of(bytes)];
    for (int tries = 0; k != NONE && tries < 16; tries++, k = h->blocks[k].following)
        if (h->blocks[k].bytes >= bytes)
            return k;
    int c = class_above(h, class_of(bytes));
    return c != NONE ? h->first[c] : NONE;
}

/* Cuts what is too much off block `k`. */
static void cut(heap *h, int64_t k, size_t bytes) {
    if (h->blocks[k].bytes == bytes)
        return;
    int64_t rest = new_record(h);
    block *b = &h->blocks[k];
    h->blocks[rest] = (block){
        .offset = b->offset + bytes, .bytes = b->bytes - bytes, .before = k, .behind = b->behind};
    if (b->behind != NONE)
        h->blocks[b->behind].before = rest;
    else
        h->last = rest;
    b->behind = rest;
    b->bytes = bytes;
    link_free(h, rest);
}

/* Makes a block at the end of the memory, which may begin in a free one that is there. */
static int64_t append(heap *h, size_t bytes) {
    int64_t k = h->last;
    if (k != NONE && h->blocks[k].is_free) {
        unlink_free(h, k);
    } else {
        k = new_record(h);
        h->blocks[k] = (block){.offset = h->total, .before = h->last, .behind = NONE};
        if (h->last != NONE)
            h->blocks[h->last].behind = k;
        h->last = k;
    }
    h->blocks[k].bytes = bytes;
    h->total = h->blocks[k].offset + bytes;
    return k;
}

static int64_t take(heap *h, size_t bytes) {
    int64_t k = find_free(h, bytes);
    if (k == NONE)
        return append(h, bytes);
    unlink_free(h, k);
    cut(h, k, bytes);
    return k;
}

/* Joins block `k` with the one behind it, whose record becomes unused. */
static void join(heap *h, int64_t k) {
    int64_t gone = h->blocks[k].behind;
    h->blocks[k].bytes += h->blocks[gone].bytes;
    h->blocks[k].behind = h->blocks[gone].behind;
    if (h->blocks[k].behind != NONE)
        h->blocks[h->blocks[k].behind].before = k;
    else
        h->last = k;
    h->blocks[gone].following = h->unused;
    h->unused = gone;
}

static void give_back(heap *h, int64_t k) {
    int64_t behind = h->blocks[k].behind, before = h->blocks[k].before;
    if (behind != NONE && h->blocks[behind].is_free) {
        unlink_free(h, behind);
        join(h, k);
    }
    if (before != NONE && h->blocks[before].is_free) {
        unlink_free(h, before);
        join(h, before);
        k = before;
    }
    link_free(h, k);
}

/* Sorts buffers by a step of theirs, in linear time: by[start[s]..start[s + 1]) are those of
 * step s. */
static void sort_by_step(const bpi_buffer *buffers, size_t count, size_t steps, bool by_last,
                         uint32_t *start, uint32_t *by) {
    memset(start, 0, (steps + 2) * sizeof *start);
    for (size_t k = 0; k < count; k++)
        start[(by_last ? buffers[k].last : buffers[k].first) + 2]++;
    for (size_t s = 2; s < steps + 2; s++)
        start[s] += start[s - 1];
    for (size_t k = 0; k < count; k++)
        by[start[(by_last ? buffers[k].last : buffers[k].first) + 1]++] = (uint32_t)k;
}

/* Empty buffers need no place. */
static void run_through(heap *h, bpi_buffer *buffers, size_t steps, const uint32_t *starts,
                        const uint32_t *by_first, const uint32_t *ends, const uint32_t *by_last,
                        int64_t *block_of) {
    for (size_t s = 0; s < steps; s++) {
        for (uint32_t k = starts[s]; k < starts[s + 1]; k++) {
            bpi_buffer *b = &buffers[by_first[k]];
            block_of[by_first[k]] = b->bytes ? take(h, b->bytes) : NONE;
            b->offset = b->bytes ? h->blocks[block_of[by_first[k]]].offset : 0;
        }
        for (uint32_t k = ends[s]; k < ends[s + 1]; k++)
            if (block_of[by_last[k]] != NONE)
                give_back(h, block_of[by_last[k]]);
    }
}

static bool place_many(bpi_buffer *buffers, size_t count, size_t steps, size_t *total) {
    heap h = {.last = NONE, .unused = NONE};
    for (int c = 0; c < CLASSES; c++)
        h.first[c] = NONE;
    h.blocks = bpi_alloc((2 * count + 1) * sizeof *h.blocks);
    int64_t *block_of = bpi_alloc(count * sizeof *block_of);
    uint32_t *words = bpi_alloc(2 * (steps + 2 + count) * sizeof *words);
    bool ok = h.blocks && block_of && words;
    if (ok) {
        uint32_t *starts = words, *ends = starts + steps + 2, *by_first = ends + steps + 2,
                 *by_last = by_first + count;
        sort_by_step(buffers, count, steps, false, starts, by_first);
        sort_by_step(buffers, count, steps, true, ends, by_last);
        run_through(&h, buffers, steps, starts, by_first, ends, by_last, block_of);
        *total = h.total;
    }
    bpi_free(h.blocks);
    bpi_free(block_of);
    bpi_free(words);
    return ok;
}

bool bpi_place_buffers(bpi_buffer *buffers, size_t count, size_t steps, size_t *total,
                       size_t *bound) {
    *total = *bound = 0;
    if (count == 0)
        return true;
    if (!find_bound(buffers, count, steps, bound))
        return false;
    return count <= FEW ? place_few(buffers, count, *bound, total)
                        : place_many(buffers, count, steps, total);
}
