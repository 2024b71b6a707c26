/* Data: IDX files (the format of MNIST), the built-in digits, shuffled mini-batches. */
#ifndef BACKPROP_DATA_H
#define BACKPROP_DATA_H

#include <backprop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An array read from an IDX file. Element types of the format: u8, i8, i16, i32, f32, f64; i8 and
 * i16 are widened to i32. Free it with bp_idx_free. */
typedef struct bp_idx {
    bp_type type;
    void *data; /* row-major */
} bp_idx;

/* Reads an IDX file, plain or gzip-compressed (told by its bytes, not its name). On failure *idx is
 * all zeros and nothing is half-loaded. Source: yann.lecun.com/exdb/mnist. */
BP_API bp_status bp_idx_read(const char *path, bp_idx *idx, bp_failure *why);
BP_API void bp_idx_free(bp_idx *idx);

/* Images with labels: inputs [count, features] f32, labels [count] i32. */
typedef struct bp_dataset {
    int64_t count, features, classes;
    int64_t height, width; /* of an image; features = height x width */
    float *inputs;         /* pixel values scaled to 0..1 */
    int32_t *labels;
} bp_dataset;

/* Reads "train" or "t10k" images and labels from a folder of IDX files, e.g.
 * "train-images-idx3-ubyte", with or without ".gz". Free with bp_dataset_free. */
BP_API bp_status bp_mnist_read(const char *folder, const char *part, bp_dataset *data,
                               bp_failure *why);
/* The 1,797 handwritten 8x8 digits that come with the library (UCI optdigits test set, Alpaydin and
 * Kaynak 1998, CC BY 4.0). Free with bp_dataset_free. */
BP_API bp_status bp_digits(bp_dataset *data, bp_failure *why);
BP_API void bp_dataset_free(bp_dataset *data);

/* Shuffled mini-batches of row numbers. */
typedef struct bp_batches bp_batches;
/* Makes batches over `count` rows, `size` rows each. Every epoch is a new permutation, determined
 * by `seed` and the epoch's number (Fisher-Yates). Where `drop_last` is false the last batch may be
 * smaller. Returns NULL when memory is short or a number is not positive. */
BP_API bp_batches *bp_batches_new(int64_t count, int64_t size, uint64_t seed, bool drop_last);
BP_API void bp_batches_free(bp_batches *batches);
/* Returns the row numbers of the next batch and its length; NULL at the end of an epoch, after
 * which the next call begins the next epoch. */
BP_API const int64_t *bp_batches_next(bp_batches *batches, int64_t *length);
/* Copies rows of a row-major array: `row_bytes` each. The row numbers are not checked; no pointer
 * may be NULL unless `length` is 0. */
BP_API void bp_take_rows(const void *rows, size_t row_bytes, const int64_t *index, int64_t length,
                         void *out);

#ifdef __cplusplus
}
#endif
#endif
