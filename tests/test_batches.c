/* Mini-batches: what an epoch holds, in which order, and taking its rows. */
#include <backprop.h>
#include <check.h>

#include "memory.h"
#include "suite.h"

enum { ROWS = 103 };

/* Reads one epoch; returns the number of batches, and their lengths' sum in *rows. */
static int read_epoch(bp_batches *batches, int64_t *order, int64_t *rows) {
    int count = 0;
    int64_t length;
    const int64_t *index;
    for (*rows = 0; (index = bp_batches_next(batches, &length)); count++)
        for (int64_t k = 0; k < length; k++)
            order[(*rows)++] = index[k];
    ck_assert_int_eq(length, 0);
    return count;
}

START_TEST(an_epoch_is_a_permutation) {
    bp_batches *batches = bp_batches_new(ROWS, 10, 5, false);
    int64_t rows, order[ROWS];
    for (int epoch = 0; epoch < 3; epoch++) {
        ck_assert_int_eq(read_epoch(batches, order, &rows), 11);
        ck_assert_int_eq(rows, ROWS);
        bool seen[ROWS] = {false};
        for (int k = 0; k < ROWS; k++) {
            ck_assert(order[k] >= 0 && order[k] < ROWS && !seen[order[k]]);
            seen[order[k]] = true;
        }
    }
    bp_batches_free(batches);
}
END_TEST

START_TEST(the_order_depends_on_seed_and_epoch_only) {
    bp_batches *a = bp_batches_new(ROWS, 10, 5, false), *b = bp_batches_new(ROWS, 7, 5, true);
    bp_batches *c = bp_batches_new(ROWS, 10, 6, false);
    int64_t rows, first[ROWS], second[ROWS], again[ROWS], other[ROWS];
    read_epoch(a, first, &rows);
    read_epoch(a, second, &rows);
    ck_assert_mem_ne(first, second, sizeof first);
    read_epoch(b, again, &rows);
    ck_assert_int_eq(rows, 98);
    ck_assert_mem_eq(first, again, 98 * sizeof *first);
    read_epoch(b, again, &rows);
    ck_assert_mem_eq(second, again, 98 * sizeof *first);
    read_epoch(c, other, &rows);
    ck_assert_mem_ne(first, other, sizeof first);
    bp_batches_free(a);
    bp_batches_free(b);
    bp_batches_free(c);
}
END_TEST

START_TEST(the_last_batch_is_smaller_or_dropped) {
    int64_t rows, order[ROWS];
    bp_batches *kept = bp_batches_new(10, 4, 1, false), *dropped = bp_batches_new(10, 4, 1, true);
    ck_assert_int_eq(read_epoch(kept, order, &rows), 3);
    ck_assert_int_eq(rows, 10);
    ck_assert_int_eq(read_epoch(dropped, order, &rows), 2);
    ck_assert_int_eq(rows, 8);
    bp_batches_free(kept);
    bp_batches_free(dropped);
    bp_batches *all = bp_batches_new(10, 64, 1, false);
    ck_assert_int_eq(read_epoch(all, order, &rows), 1);
    ck_assert_int_eq(rows, 10);
    bp_batches_free(all);
}
END_TEST

/* All 24 orders of four rows come up equally often: with 23 degrees of freedom χ² exceeds 49.7 for
 * one seed in a thousand; this one is fixed. */
START_TEST(no_order_is_favoured) {
    enum { EPOCHS = 24000 };
    bp_batches *batches = bp_batches_new(4, 4, 3, false);
    int counts[256] = {0};
    int64_t rows, order[4];
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        read_epoch(batches, order, &rows);
        counts[order[0] | order[1] << 2 | order[2] << 4 | order[3] << 6]++;
    }
    double chi2 = 0;
    int orders = 0;
    for (int k = 0; k < 256; k++)
        if (counts[k] > 0) {
            orders++;
            chi2 += (counts[k] - EPOCHS / 24.0) * (counts[k] - EPOCHS / 24.0) / (EPOCHS / 24.0);
        }
    ck_assert_int_eq(orders, 24);
    ck_assert_double_lt(chi2, 49.7);
    bp_batches_free(batches);
}
END_TEST

START_TEST(batches_of_nothing_are_refused) {
    ck_assert_ptr_null(bp_batches_new(0, 1, 0, false));
    ck_assert_ptr_null(bp_batches_new(-1, 1, 0, false));
    ck_assert_ptr_null(bp_batches_new(1, 0, 0, false));
    ck_assert_ptr_null(bp_batches_new(INT64_MAX, 1, 0, false));
    bpi_alloc_fail(0, false);
    ck_assert_ptr_null(bp_batches_new(4, 1, 0, false));
    bpi_alloc_fail(-1, false);
    int64_t length = 1;
    ck_assert_ptr_null(bp_batches_next(NULL, &length));
    ck_assert_int_eq(length, 0);
    bp_batches_free(NULL);
}
END_TEST

START_TEST(rows_are_taken_in_the_order_asked_for) {
    const int16_t rows[][2] = {{0, 1}, {10, 11}, {20, 21}};
    int16_t out[4][2];
    bp_take_rows(rows, sizeof rows[0], (int64_t[]){2, 0, 2, 1}, 4, out);
    ck_assert_mem_eq(out, ((int16_t[4][2]){{20, 21}, {0, 1}, {20, 21}, {10, 11}}), sizeof out);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        an_epoch_is_a_permutation,
        the_order_depends_on_seed_and_epoch_only,
        the_last_batch_is_smaller_or_dropped,
        no_order_is_favoured,
        batches_of_nothing_are_refused,
        rows_are_taken_in_the_order_asked_for,
    };
    return run_tests("batches", NULL, NULL, 60, tests, sizeof tests / sizeof *tests);
}
