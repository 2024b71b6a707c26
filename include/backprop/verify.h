/* Verification: gradients against central differences, a plan against naive execution, and the
 * derivation of a gradient in words. */
#ifndef BACKPROP_VERIFY_H
#define BACKPROP_VERIFY_H

#include <backprop/graph.h>
#include <backprop/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is out of range is refused with BP_ERR_ARGUMENT. */
typedef struct bp_check_config {
    double tolerance; /* largest accepted relative error, positive; 1e-6 */
    double step;      /* of the difference, relative to max(1, |x|); 0: chosen by the method */
    int64_t samples;  /* elements checked per tensor, chosen at random; 0: all. 200 */
    uint64_t seed;
    bool second_order; /* also check the gradient of the gradient; false */
    bool allow_zero;   /* accept a gradient that is zero everywhere; false */
} bp_check_config;
BP_API bp_check_config bp_check_defaults(void);

/* What a check found. Errors are relative, element by element: |a - n| / max(|a|, |n|), as far as
 * rounding lets a difference see; no element is measured by a larger one. */
typedef struct bp_check_report {
    bool passed;
    int64_t checked;          /* elements compared */
    double worst;             /* largest error; NaN counts as failed */
    char where[128];          /* tensor and index of the worst element */
    double analytic, numeric; /* there */
    char text[900];           /* verdict in words, with the likely cause where it is recognised */
} bp_check_report;

/* Checks the gradients of a recorded scalar with respect to every input and parameter (float) that
 * it depends on, at their present values: the computation is recorded again in f64 and compared
 * with central differences. Changes nothing in the graph. `config` may be NULL. Returns BP_OK when
 * the gradients agree, BP_ERR_CHECK when not, another status when it could not be done. */
BP_API bp_status bp_check_gradients(bp_tensor *loss, const bp_check_config *config,
                                    bp_check_report *report);
/* Checks one op, built-in or yours, on the samples in its record: every differentiable operand,
 * random cotangent, first and second order; and that the formulas in the record say the same, as
 * far as they can be evaluated. */
BP_API bp_status bp_check_op(const bp_op *op, const bp_check_config *config,
                             bp_check_report *report);
/* Runs these tensors once planned and once naively from the same state and compares: up to
 * rounding, which counts from the largest element of a tensor or from what is added up to make one.
 * NaN by both is agreement, and the report says how often. */
BP_API bp_status bp_check_plan(bp_tensor *const *tensors, int count, bp_check_report *report);

/* Explains the gradient of `loss` with respect to `wrt`: the error terms from the loss back to it,
 * with shapes, and how well formula, automatic gradient and difference agree. The text is the
 * graph's until the next such call. NULL on failure. */
BP_API const char *bp_explain(bp_tensor *loss, bp_tensor *wrt);

#ifdef __cplusplus
}
#endif
#endif
