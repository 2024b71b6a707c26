/* Shuffled mini-batches: each epoch deals the rows anew by the method of Fisher and Yates
 * (Durstenfeld, CACM 7, 1964), from random numbers that depend on the seed and the number of the
 * epoch only. */
#include <backprop/data.h>

#include <string.h>

#include "memory.h"
#include "random.h"

struct bp_batches {
    int64_t count, size;
    uint64_t seed, epoch; /* the epoch that `order` holds, from 0 */
    bool drop_last;
    bool dealt; /* `order` is shuffled and `next` counts in it */
    int64_t next;
    int64_t order[];
};

bp_batches *bp_batches_new(int64_t count, int64_t size, uint64_t seed, bool drop_last) {
    if (count <= 0 || size <= 0 ||
        (uint64_t)count > (SIZE_MAX - sizeof(bp_batches)) / sizeof(int64_t))
        return NULL;
    bp_batches *batches = bpi_alloc(sizeof *batches + (size_t)count * sizeof *batches->order);
    if (batches)
        *batches = (bp_batches){.count = count, .size = size, .seed = seed, .drop_last = drop_last};
    return batches;
}

void bp_batches_free(bp_batches *batches) { bpi_free(batches); }

static void deal(bp_batches *b) {
    bpi_random random = bpi_random_new(b->seed, b->epoch);
    for (int64_t k = 0; k < b->count; k++)
        b->order[k] = k;
    for (int64_t k = b->count - 1; k > 0; k--) {
        int64_t other = (int64_t)bpi_random_below(&random, (uint64_t)k + 1);
        int64_t row = b->order[k];
        b->order[k] = b->order[other];
        b->order[other] = row;
    }
    b->dealt = true;
    b->next = 0;
}

const int64_t *bp_batches_next(bp_batches *b, int64_t *length) {
    if (length)
        *length = 0;
    if (!b)
        return NULL;
    if (!b->dealt)
        deal(b);
    int64_t left = b->count - b->next;
    if (left == 0 || (b->drop_last && left < b->size)) {
        b->dealt = false;
        b->epoch++;
        return NULL;
    }
    const int64_t *rows = b->order + b->next;
    int64_t taken = left < b->size ? left : b->size;
    b->next += taken;
    if (length)
        *length = taken;
    return rows;
}

void bp_take_rows(const void *rows, size_t row_bytes, const int64_t *index, int64_t length,
                  void *out) {
    const char *from = rows;
    char *to = out;
    for (int64_t k = 0; k < length; k++, to += row_bytes)
        memcpy(to, from + (size_t)index[k] * row_bytes, row_bytes);
}
