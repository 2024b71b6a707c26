/* What bp_explain is put together from. */
#ifndef BPI_EXPLAIN_H
#define BPI_EXPLAIN_H

#include "compare.h"
#include "path.h"
#include "phrase.h"

/* ---- names and formulas of nodes (explain_names.c) ------------------------------------------- */

/* One explanation under way. */
typedef struct bpi_explainer {
    bp_tensor *loss, *wrt;
    bpi_path path;
    bpi_arena arena;
    bpi_phrase *name;  /* by slot: how a node's value is written; text NULL: not yet */
    bpi_phrase *delta; /* by slot: how ∂loss/∂ its value is written; text NULL: zero */
} bpi_explainer;

/* Names a node, whose operands have names: a number, x · W inside a sum, z_hidden, a_hidden, ... */
void bpi_explain_name(bpi_explainer *e, const bpi_node *node);
/* Whether a node has no line of its own: leaves, numbers, and products written inside a sum. */
bool bpi_explain_inside(const bpi_explainer *e, const bpi_node *node);
/* How a node is computed: x · W + b, sigmoid(z). */
bpi_phrase bpi_explain_forward(bpi_explainer *e, const bpi_node *node);
/* What a node hands to its operand k, by the gradient formula in its op's record. */
bpi_phrase bpi_explain_gradient(bpi_explainer *e, const bpi_node *node, int k);
/* Whether the gradient formula of a node writes its cotangent more than once. */
bool bpi_explain_repeats(bpi_explainer *e, const bpi_node *node);
/* The name of a parameter among a node's operands, e.g. "hidden.weight"; NULL
 * when there is none. */
const char *bpi_explain_parameter(const bpi_node *node);

/* ---- numbers (agreement.c) ------------------------------------------------------------------- */

/* How well three ways to the gradient of `loss` with respect to `wrt` agree, in f64, as parts of
 * its largest component: the automatic gradient against the formulas of the records evaluated with
 * plain loops, and against central differences. Negative where it could not be done. */
typedef struct bpi_agreement {
    double formula, difference;
} bpi_agreement;

bp_status bpi_agreement_of(bpi_check *check, bp_tensor *loss, bp_tensor *wrt,
                           bpi_agreement *agreement);

#endif
