/* Samples of op records: operands and attributes in one string, drawn at random. The grammar is in
 * docs/formulas.md. */
#ifndef BPI_SAMPLE_H
#define BPI_SAMPLE_H

#include <backprop/op.h>

enum { BPI_SAMPLE_OPERANDS = 8 }; /* = BPI_POINT_OPERANDS */

typedef enum bpi_sample_kind {
    BPI_SAMPLE_NORMAL, /* normal random numbers */
    BPI_SAMPLE_RANGE,  /* uniform; integers below `high` */
    BPI_SAMPLE_VALUES, /* given in the string */
    BPI_SAMPLE_PROB    /* positive, the last dimension sums to 1 */
} bpi_sample_kind;

typedef struct bpi_sample_operand {
    bp_type type; /* f64 stands for the dtype under test unless `fixed` */
    bool fixed;   /* the string names the dtype */
    bpi_sample_kind kind;
    double low, high;
    double *values; /* in row-major order */
    int64_t count;
} bpi_sample_operand;

typedef struct bpi_sample {
    const bp_op *op;
    const char *text;
    int inputs;
    bpi_sample_operand x[BPI_SAMPLE_OPERANDS];
    bp_attr attr[BP_MAX_ATTRS];
    bool attr_float[BP_MAX_ATTRS]; /* the attribute is the dtype under test */
    int64_t list[BP_MAX_ATTRS][BP_MAX_RANK];
} bpi_sample;

/* Parses one sample of an op; BP_ERR_FORMAT with words when it is not one. Free it in any case. */
bp_status bpi_sample_parse(const bp_op *op, const char *text, bpi_sample *sample, bp_failure *why);
/* Draws values: the same for the same seed; inside the op's domain and away from its kinks. */
bp_status bpi_sample_draw(bpi_sample *sample, uint64_t seed, bp_failure *why);
void bpi_sample_free(bpi_sample *sample);

/* Records operand k as an input named `name` with the sample's values; `dtype` is
 * the one under test. */
bp_tensor *bpi_sample_input(const bpi_sample *sample, int k, bp_graph *graph, const char *name,
                            bp_dtype dtype);
/* Records the op on operands. Returns its first output. */
bp_tensor *bpi_sample_record(const bpi_sample *sample, bp_tensor *const *x, bp_dtype dtype);
/* Operand k's name in messages and formulas. */
const char *bpi_operand_name(const bp_op *op, int k);

#endif
