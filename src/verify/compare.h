/* The comparison behind every gradient check: what reverse mode records against
 * central differences. */
#ifndef BPI_COMPARE_H
#define BPI_COMPARE_H

#include <backprop/verify.h>

#include "../graph.h"

/* Σ_k <c_k, y_k> as a function of the inputs x. All tensors are f64 and of one graph, whose
 * executor is the naive one: it poisons what gradients are written to. x and c are
 * inputs with values. */
typedef struct bpi_subject {
    bp_tensor *const *y, *const *c;
    int count;
    bp_tensor *const *x;
    int inputs;
    const char *where;   /* said after an element's name: ` of sample "[2,3]"`; or "" */
    bool linear, kinked; /* as in bpi_probe */
    /* run the differences planned: for large computations, many times faster */
    bool planned;
} bpi_subject;

/* One check under way, over one or more subjects. */
typedef struct bpi_check {
    bp_check_config config;
    bp_check_report *report;
    bpi_arena arena;     /* arrays of the check; freed by its owner */
    bool second_nonzero; /* some gradient of second order was not zero */
    uint64_t digest;     /* of the bits of all analytic gradients so far, -0 taken as 0 */
    bp_failure why;      /* when the check could not be done */
} bpi_check;

/* The analytic gradients of a subject: tensors, and their values in the check's arena. */
typedef struct bpi_gradients {
    bp_tensor **tensor;
    double **value;
} bpi_gradients;

/* Records the gradients of a subject and evaluates them. */
bp_status bpi_gradients_of(bpi_check *check, const bpi_subject *subject, bpi_gradients *gradients);
/* Compares them with differences. BP_ERR_CHECK after the first tensor that disagrees, with the
 * report filled; otherwise the report's worst error and count are updated. */
bp_status bpi_compare(bpi_check *check, const bpi_subject *subject, const bpi_gradients *gradients);

/* The gradient of Σ_k <v_k, gradients_k> with random directions v, with respect to the inputs and
 * the cotangents of the subject: first order's graph, differentiated again and compared. */
bp_status bpi_compare_second(bpi_check *check, const bpi_subject *subject,
                             const bpi_gradients *gradients, uint64_t seed);

/* Whether any element is not zero; NaN is not zero. */
bool bpi_any(const double *values, int64_t count);
/* Memory of the check's arena; NULL after noting that memory is short. */
void *bpi_check_room(bpi_check *check, size_t count, size_t size);
/* The values of an evaluated f64 tensor, copied into the check's arena. */
double *bpi_check_copy(bpi_check *check, bp_tensor *tensor);
/* Records an input with random values that are never zero, to serve as a cotangent. */
bp_tensor *bpi_random_cotangent(bpi_check *check, bp_tensor *like, const char *name, uint64_t seed);
/* Keeps the failure of a graph as that of the check. */
bp_status bpi_check_stop(bpi_check *check, bp_status status, const bp_graph *graph);
/* Whether the configuration makes sense; BP_ERR_ARGUMENT with words when not. */
bp_status bpi_check_configured(bpi_check *check);
/* Writes the verdict of a check that could not be done, or that a kernel has failed by writing
 * outside of its arrays; returns its status. */
bp_status bpi_check_unfinished(bpi_check *check, bp_status status);
/* "x[1,2]" for an element of a tensor. */
void bpi_element_text(const char *name, const bp_shape *shape, int64_t index, char *out,
                      size_t size);

/* ---- diagnosis (diagnose.c) ------------------------------------------------------------------ */

/* A tensor whose gradient is wrong: the elements compared, and the gradients beside it. */
typedef struct bpi_symptoms {
    const bpi_subject *subject;
    const bpi_gradients *gradients;
    int input;             /* which tensor of the subject */
    const double *numeric; /* by place in `index` */
    const int64_t *index;  /* elements compared */
    int64_t compared;
    double tolerance;
} bpi_symptoms;

/* Returns the likely cause in words, e.g. "the sign is flipped"; into `out`. */
void bpi_diagnose(const bpi_symptoms *symptoms, char *out, size_t size);

#endif
