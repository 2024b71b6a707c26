/* The gradient suite is tested: every op's recorded VJP is broken on purpose, in every way listed
 * below, and the check of the op must reject it. A mutant whose gradients have the same bits on all
 * samples is no mutant; it is listed as equivalent. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "registry.h"
#include "suite.h"
#include "verify/check.h"

typedef enum fault {
    SIGN_FLIPPED,
    DOUBLED,
    ZEROED, /* one operand's contribution is dropped */
    NOT_A_NUMBER,
    TRANSPOSED,      /* or in reverse order, where the last two dimensions are not square */
    NOT_UNBROADCAST, /* the first slice instead of the sum over broadcast dimensions */
    SWAPPED,         /* the gradients of operands 0 and 1 */
    NOT_ACCUMULATED, /* of several contributions to a tensor only the first is kept */
    /* somewhere in the rule a + b, a - b, a * b or a / b becomes a, or b, or a
     * sum its first slice */
    TERM_DROPPED,
    FAULTS
} fault;

static const char *const fault_names[FAULTS] = {
    "sign flipped",     "factor 2", "zeroed",          "NaN",         "transposed",
    "not un-broadcast", "swapped",  "not accumulated", "dropped term"};

/* The fault that is in force. */
static struct {
    const bp_op *op;
    fault fault;
    int operand; /* of the first six faults */
    int site;    /* of TERM_DROPPED */
    int applied; /* how often there was something to break */
} now;

/* ---- faults in one cotangent ----------------------------------------------------------------- */

static bp_tensor *reversed(bp_tensor *g) {
    int64_t count = bp_tensor_count(g);
    int64_t *index = malloc((size_t)count * sizeof *index);
    for (int64_t i = 0; i < count; i++)
        index[i] = count - 1 - i;
    bp_tensor *order = bp_constant(bp_tensor_graph(g), BP_I64, BP_SHAPE(count), index);
    free(index);
    return bp_reshape(bp_gather(bp_reshape(g, BP_SHAPE(count)), order, 0), bp_tensor_shape(g));
}

static bp_tensor *transposed(bp_tensor *g) {
    bp_shape shape = bp_tensor_shape(g);
    if (shape.rank >= 2 && shape.size[shape.rank - 1] == shape.size[shape.rank - 2])
        return bp_transpose(g);
    return bp_tensor_count(g) > 1 ? reversed(g) : g;
}

/* The first slice of g along the dimensions that `shape` does not have, in that shape. */
static bp_tensor *first_slice(bp_tensor *g, bp_shape shape) {
    bp_shape from = bp_tensor_shape(g);
    int64_t start[BP_MAX_RANK] = {0}, stop[BP_MAX_RANK];
    for (int k = 0; k < from.rank; k++) {
        int to = k - (from.rank - shape.rank);
        stop[k] = to >= 0 && shape.size[to] == from.size[k] ? from.size[k] : 1;
    }
    return bp_reshape(bp_slice(g, start, stop), shape);
}

static bp_tensor *broken(bp_tensor *g, bp_shape operand) {
    bp_graph *graph = bp_tensor_graph(g);
    switch (now.fault) {
    case SIGN_FLIPPED: return bp_neg(g);
    case DOUBLED: return bp_add(g, g);
    case ZEROED: return bp_full(graph, bp_tensor_dtype(g), bp_tensor_shape(g), 0);
    case NOT_A_NUMBER: return bp_full(graph, bp_tensor_dtype(g), bp_tensor_shape(g), NAN);
    case TRANSPOSED: return transposed(g);
    case NOT_UNBROADCAST:
        if (bp_shape_equal(bp_tensor_shape(g), operand) || bp_tensor_count(g) == 0)
            return g;
        return first_slice(g, operand);
    default: return g;
    }
}

static void break_operand(bp_vjp *v, int k) {
    if (k >= v->inputs || !v->need[k] || !v->gx[k])
        return;
    bp_tensor *g = broken(v->gx[k], bp_tensor_shape(v->x[k]));
    now.applied += g != v->gx[k];
    v->gx[k] = g;
}

/* ---- faults between operands ----------------------------------------------------------------- */

static void swap(bp_vjp *v) {
    if (v->inputs < 2 || !v->gx[0] || !v->gx[1] || v->x[0]->type != v->x[1]->type)
        return;
    bp_tensor *g = v->gx[0];
    v->gx[0] = v->gx[1];
    v->gx[1] = g;
    now.applied++;
}

/* Tensors that have had a contribution in one differentiation. Nodes are visited from young to old,
 * so a younger one begins the next. */
static void lose_later_contributions(bp_vjp *v) {
    enum { MOST = 64 };
    static const bp_tensor *seen[MOST];
    static int seen_count;
    static uint64_t recording;
    static uint32_t last;
    uint32_t id = v->y[0]->node->id;
    if (v->graph->recording != recording || id >= last)
        seen_count = 0;
    recording = v->graph->recording;
    last = id;
    for (int k = 0; k < v->inputs; k++) {
        bool second = false;
        for (int i = 0; i < seen_count; i++)
            second = second || seen[i] == v->x[k];
        if (!v->need[k] || !v->gx[k])
            continue;
        if (second) {
            bp_type type = *v->gx[k]->type;
            v->gx[k] = bp_full(v->graph, type.dtype, type.shape, 0);
            now.applied++;
        } else {
            seen[seen_count++ % MOST] = v->x[k];
        }
    }
}

/* ---- faults inside the rule ------------------------------------------------------------------ */

enum { MOST_NODES = 200 };

/* The nodes that a rule has recorded, in order, and what they are replaced by. */
typedef struct rule {
    bpi_node *nodes[MOST_NODES];
    bp_tensor *replaced[MOST_NODES];
    int count;
} rule;

static uint32_t youngest(const bp_vjp *v) {
    uint32_t id = 0;
    for (int k = 0; k < v->inputs; k++)
        id = v->x[k]->node->id > id ? v->x[k]->node->id : id;
    for (int k = 0; k < v->outputs; k++) {
        id = v->y[k]->node->id > id ? v->y[k]->node->id : id;
        if (v->gy[k] && v->gy[k]->node->id > id)
            id = v->gy[k]->node->id;
    }
    return id;
}

static int place(const rule *r, const bpi_node *node) {
    for (int k = 0; k < r->count; k++)
        if (r->nodes[k] == node)
            return k;
    return -1;
}

/* Collects nodes younger than all that the rule was given. */
static void collect(rule *r, bpi_node *node, uint32_t older) {
    if (node->id <= older || node->leaf || place(r, node) >= 0 || r->count == MOST_NODES)
        return;
    for (int k = 0; k < node->inputs; k++)
        collect(r, node->x[k]->node, older);
    r->nodes[r->count++] = node;
}

static bool is_one_of(const bpi_node *node, const char *const *names) {
    for (; *names; names++)
        if (strcmp(node->op->name, *names) == 0)
            return true;
    return false;
}

/* What a node becomes when fault number `site` counted over the nodes hits it; NULL
 * when it does not. */
static bp_tensor *drop_here(const bpi_node *node, int *site) {
    static const char *const binary[] = {"add", "sub", "mul", "div", "maximum", "minimum", NULL};
    static const char *const sums[] = {"sum", "mean", NULL};
    for (int k = 0; k < 2 && is_one_of(node, binary); k++)
        if (node->x[k]->type == node->y[0].type && (*site)-- == 0)
            return node->x[k];
    const bp_type *from = node->x[0]->type, *to = node->y[0].type;
    if (is_one_of(node, sums) && from != to && bp_shape_count(from->shape) > 0 && (*site)-- == 0)
        return from->shape.rank == to->shape.rank || to->shape.rank == 0
                   ? first_slice(node->x[0], to->shape)
                   : bp_mul(bp_reshape(&((bpi_node *)node)->y[0], to->shape),
                            bp_full(node->graph, to->dtype, BP_SCALAR, 0.5));
    return NULL;
}

static void drop_term(bp_vjp *v) {
    static rule r;
    r.count = 0;
    for (int k = 0; k < v->inputs; k++)
        if (v->need[k] && v->gx[k])
            collect(&r, v->gx[k]->node, youngest(v));
    int site = now.site;
    for (int i = 0; i < r.count; i++) {
        bpi_node *node = r.nodes[i];
        bp_tensor *x[16];
        bool changed = false;
        for (int k = 0; k < node->inputs && k < 16; k++) {
            int from = place(&r, node->x[k]->node);
            bool mapped = from >= 0 && r.replaced[from];
            x[k] = mapped ? bp_output(r.replaced[from], (int)bpi_index(node->x[k])) : node->x[k];
            changed = changed || mapped;
        }
        r.replaced[i] = drop_here(node, &site);
        now.applied += r.replaced[i] != NULL;
        if (!r.replaced[i] && changed)
            r.replaced[i] = bp_record(node->op, x, node->inputs, node->attr);
    }
    for (int k = 0; k < v->inputs; k++) {
        int from = v->need[k] && v->gx[k] ? place(&r, v->gx[k]->node) : -1;
        if (from >= 0 && r.replaced[from])
            v->gx[k] = bp_output(r.replaced[from], (int)bpi_index(v->gx[k]));
    }
}

static void inject(bp_vjp *v) {
    if (v->op != now.op)
        return;
    if (now.fault == SWAPPED)
        swap(v);
    else if (now.fault == NOT_ACCUMULATED)
        lose_later_contributions(v);
    else if (now.fault == TERM_DROPPED)
        drop_term(v);
    else if (now.op->arity == BP_VARIADIC) /* all operands alike */
        for (int k = 0; k < v->inputs; k++)
            break_operand(v, k);
    else
        break_operand(v, now.operand);
}

/* ---- the tally ------------------------------------------------------------------------------- */

static struct {
    int tried, rejected, equivalent, survived;
    char equivalents[4000];
} tally;

/* Checks one op with one fault; returns whether there was anything to break. */
static bool try_fault(const bp_op *op, fault f, int operand, int site, uint64_t clean) {
    now.op = op;
    now.fault = f;
    now.operand = operand;
    now.site = site;
    now.applied = 0;
    bp_check_report report;
    uint64_t digest;
    bpi_vjp_fault = inject;
    bp_status status = bpi_check_op(op, NULL, &report, &digest);
    bpi_vjp_fault = NULL;
    if (!now.applied)
        return false;
    tally.tried++;
    if (status != BP_OK) {
        tally.rejected++;
    } else if (digest == clean) {
        size_t length = strlen(tally.equivalents);
        tally.equivalent++;
        snprintf(tally.equivalents + length, sizeof tally.equivalents - length, "  %s: %s, %s %d\n",
                 op->name, fault_names[f], f == TERM_DROPPED ? "site" : "operand",
                 f == TERM_DROPPED ? site : operand);
    } else {
        tally.survived++;
        printf("SURVIVED  %s: %s, operand %d, site %d: %s\n", op->name, fault_names[f], operand,
               site, report.text);
    }
    return true;
}

static void try_op(const bp_op *op) {
    bp_check_report report;
    uint64_t clean;
    bp_status status = bpi_check_op(op, NULL, &report, &clean);
    ck_assert_msg(status == BP_OK, "%s without a fault: %s", op->name, report.text);
    int operands = op->arity == BP_VARIADIC ? 1 : op->arity;
    for (int f = SIGN_FLIPPED; f <= NOT_UNBROADCAST; f++)
        for (int k = 0; k < operands; k++)
            try_fault(op, (fault)f, k, 0, clean);
    try_fault(op, SWAPPED, 0, 0, clean);
    try_fault(op, NOT_ACCUMULATED, 0, 0, clean);
    for (int site = 0; try_fault(op, TERM_DROPPED, 0, site, clean); site++)
        ;
}

START_TEST(wrong_gradients_are_rejected) {
    for (int k = 0; k < bpi_op_count; k++)
        if (bpi_ops[k]->vjp)
            try_op(bpi_ops[k]);
    printf("mutants with the same bits as the right gradient:\n%s", tally.equivalents);
    printf("mutants: %d rejected / %d tried / %d equivalent\n", tally.rejected, tally.tried,
           tally.equivalent);
    ck_assert_int_eq(tally.survived, 0);
    ck_assert_int_eq(tally.rejected + tally.equivalent, tally.tried);
    ck_assert_int_gt(tally.rejected, 100);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mutants");
    TCase *mutants = tcase_create("broken VJP rules");
    tcase_set_timeout(mutants, 600);
    tcase_add_test(mutants, wrong_gradients_are_rejected);
    suite_add_tcase(suite, mutants);
    return run_suite(suite);
}
