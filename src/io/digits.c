/* The digits that come with the library, as a data set. */
#include <backprop/data.h>

#include "io/digits.h"
#include "io/source.h"
#include "memory.h"
#include "text.h"

static float pixel(char level) {
    return (float)(level >= 'a' ? level - 'a' + 10 : level - '0') / BPI_DIGITS_LEVELS;
}

bp_status bp_digits(bp_dataset *data, bp_failure *why) {
    if (why)
        *why = (bp_failure){0};
    if (!data)
        return bpi_fail(why, BP_ERR_ARGUMENT, "bp_digits: data must not be NULL");
    enum {
        FEATURES = BPI_DIGITS_SIDE * BPI_DIGITS_SIDE,
        CHARACTERS = BPI_DIGITS_COUNT * BPI_DIGITS_LINE
    };
    *data = (bp_dataset){.count = BPI_DIGITS_COUNT,
                         .features = FEATURES,
                         .classes = 10,
                         .height = BPI_DIGITS_SIDE,
                         .width = BPI_DIGITS_SIDE};
    data->inputs = bpi_alloc_aligned(sizeof *data->inputs * BPI_DIGITS_COUNT * FEATURES);
    data->labels = bpi_alloc_aligned(sizeof *data->labels * BPI_DIGITS_COUNT);
    char *columns = bpi_alloc(CHARACTERS); /* labels, then pixels by place */
    if (!data->inputs || !data->labels || !columns ||
        !bpi_unpack(bpi_digits_packed, bpi_digits_packed_bytes, columns, CHARACTERS)) {
        bpi_free(columns);
        bp_dataset_free(data);
        return bpi_fail(why, BP_ERR_MEMORY, "out of memory while unpacking the digits");
    }
    for (int k = 0; k < BPI_DIGITS_COUNT; k++) {
        data->labels[k] = columns[k] - '0';
        for (int i = 0; i < FEATURES; i++)
            data->inputs[k * FEATURES + i] = pixel(columns[(1 + i) * BPI_DIGITS_COUNT + k]);
    }
    bpi_free(columns);
    return BP_OK;
}
