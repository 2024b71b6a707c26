/* What is probably wrong with a gradient: compares it with simple transforms of the right one. */
#include <math.h>
#include <string.h>

#include "compare.h"

/* Loose: a transform is recognised when every element agrees to a part in ten thousand. */
static bool near(double a, double b, double scale) {
    return fabs(a - b) <= 1e-4 * fmax(fabs(a), fabs(b)) + 1e-7 * scale;
}

static double analytic_at(const bpi_symptoms *s, int64_t place) {
    return s->gradients->value[s->input][s->index[place]];
}

static double largest_numeric(const bpi_symptoms *s) {
    double largest = 0;
    for (int64_t i = 0; i < s->compared; i++)
        largest = fmax(largest, fabs(s->numeric[i]));
    return largest;
}

static bool analytic_is_finite(const bpi_symptoms *s) {
    for (int64_t i = 0; i < s->compared; i++)
        if (!isfinite(analytic_at(s, i)))
            return false;
    return true;
}

static bool numeric_is_finite(const bpi_symptoms *s) {
    for (int64_t i = 0; i < s->compared; i++)
        if (!isfinite(s->numeric[i]))
            return false;
    return true;
}

static bool zero_everywhere(const bpi_symptoms *s) {
    for (int64_t i = 0; i < s->compared; i++)
        if (analytic_at(s, i) != 0)
            return false;
    return true;
}

/* analytic = factor x numeric? Returns the factor, or 0. */
static double common_factor(const bpi_symptoms *s, double scale) {
    int64_t top = 0;
    for (int64_t i = 0; i < s->compared; i++)
        if (fabs(s->numeric[i]) > fabs(s->numeric[top]))
            top = i;
    double factor = s->numeric[top] != 0 ? analytic_at(s, top) / s->numeric[top] : 0;
    for (int64_t i = 0; i < s->compared && factor != 0; i++)
        if (!near(analytic_at(s, i), factor * s->numeric[i], scale * fabs(factor)))
            factor = 0;
    return factor;
}

/* Does `other`, read at element to(i), agree with the numeric gradient everywhere? All elements
 * must have been compared. */
static bool matches(const bpi_symptoms *s, const double *other, const bp_shape *shape,
                    bool transposed, double scale) {
    int64_t rows = 1, columns = s->compared;
    if (transposed && shape->rank >= 2) {
        columns = shape->size[shape->rank - 1];
        rows = shape->size[shape->rank - 2];
    }
    int64_t matrix = rows * columns;
    for (int64_t i = 0; i < s->compared; i++) {
        int64_t at = i % matrix, from = i - at;
        from += transposed ? at % columns * rows + at / columns : s->compared - 1 - i - from;
        if (!near(other[from], s->numeric[i], scale))
            return false;
    }
    return true;
}

static bool same_as(const bpi_symptoms *s, const double *other, double scale) {
    for (int64_t i = 0; i < s->compared; i++)
        if (!near(other[i], s->numeric[i], scale))
            return false;
    return true;
}

/* The input whose analytic gradient is what this tensor should have; -1 when there is none. */
static int swapped_with(const bpi_symptoms *s, double scale) {
    for (int k = 0; k < s->subject->inputs; k++)
        if (k != s->input && bp_tensor_count(s->subject->x[k]) == s->compared &&
            same_as(s, s->gradients->value[k], scale))
            return k;
    return -1;
}

static int64_t count_wrong(const bpi_symptoms *s, double scale) {
    int64_t wrong = 0;
    for (int64_t i = 0; i < s->compared; i++)
        wrong += !near(analytic_at(s, i), s->numeric[i], scale);
    return wrong;
}

/* How a tensor is used by the nodes behind the targets. */
typedef struct uses {
    int count;      /* as how many operands */
    bool broadcast; /* by an elementwise op whose result is larger */
} uses;

static uses find_uses(const bpi_symptoms *s) {
    const bp_tensor *x = s->subject->x[s->input];
    bpi_closure closure = {0};
    uses found = {0, false};
    if (bpi_closure_of(x->node->graph, s->subject->y, s->subject->count, &closure) != BP_OK)
        return found;
    for (size_t k = 0; k < closure.count; k++)
        for (int i = 0; i < closure.nodes[k]->inputs; i++)
            if (closure.nodes[k]->x[i] == x) {
                found.count++;
                found.broadcast |= (closure.nodes[k]->op->flags & BP_OP_ELEMENTWISE) &&
                                   bp_tensor_count(&closure.nodes[k]->y[0]) > bp_tensor_count(x);
            }
    bpi_free(closure.nodes);
    return found;
}

/* With several targets: is the gradient that of one target alone? */
static bool one_target_only(const bpi_symptoms *s, double scale) {
    const bpi_subject *subject = s->subject;
    bp_tensor *x = subject->x[s->input], *gradient;
    for (int t = 0; t < subject->count && subject->count > 1; t++) {
        if (bp_grads(&subject->y[t], &subject->c[t], 1, &x, 1, &gradient) != BP_OK)
            return false;
        const double *alone = bp_f64(gradient);
        bool same = alone != NULL;
        for (int64_t i = 0; i < s->compared && same; i++)
            same = near(analytic_at(s, i), alone[s->index[i]], scale);
        if (same)
            return true;
    }
    return false;
}

static void explain_factor(const bpi_symptoms *s, double factor, char *out, size_t size) {
    double n = (double)bp_tensor_count(s->subject->x[s->input]);
    if (near(factor, -1, 0))
        bpi_format(out, size, "the sign is flipped");
    else if (n > 1 && near(factor, n, 0))
        bpi_format(out, size,
                   "too large by %g, the number of elements: a sum where a mean is meant", n);
    else if (n > 1 && near(factor, 1 / n, 0))
        bpi_format(out, size,
                   "too small by %g, the number of elements: a mean where a sum is meant", n);
    else
        bpi_format(out, size, "wrong by the constant factor %.6g", factor);
}

static bool explain_moved(const bpi_symptoms *s, double scale, char *out, size_t size) {
    const bp_shape *shape = &s->subject->x[s->input]->type->shape;
    const double *own = s->gradients->value[s->input];
    if (s->compared != bp_tensor_count(s->subject->x[s->input]) || s->compared < 2)
        return false;
    int other = swapped_with(s, scale);
    if (shape->rank >= 2 && matches(s, own, shape, true, scale))
        bpi_format(out, size, "it is transposed");
    else if (other >= 0)
        bpi_format(out, size, "it is the gradient of %.60s: the operands are swapped",
                   bp_name(s->subject->x[other]));
    else if (matches(s, own, shape, false, scale))
        bpi_format(out, size, "its elements are in reverse order");
    else
        return false;
    return true;
}

static void explain_unknown(const bpi_symptoms *s, double scale, char *out, size_t size) {
    int64_t wrong = count_wrong(s, scale);
    uses found = find_uses(s);
    bpi_format(out, size, "not recognised; %lld of %lld elements differ; %s",
               (long long)(wrong ? wrong : 1), (long long)s->compared,
               found.broadcast
                   ? "the tensor is broadcast: is its cotangent summed over the dimensions "
                     "that are repeated?"
               : found.count > s->subject->count
                   ? "the tensor is used more than once: are all contributions added up?"
                   : "a term is missing or wrong, or a kink is close by");
}

void bpi_diagnose(const bpi_symptoms *s, char *out, size_t size) {
    double scale = largest_numeric(s);
    if (!numeric_is_finite(s)) {
        bpi_format(out, size,
                   "the function itself is not finite here: a division by zero, or a "
                   "logarithm or root outside its domain");
        return;
    }
    if (!analytic_is_finite(s)) {
        bpi_format(out, size,
                   "it is not finite: a division by zero, a logarithm or root outside its "
                   "domain, or memory that was never written");
        return;
    }
    if (zero_everywhere(s)) {
        bpi_format(out, size, "it is zero everywhere: no cotangent arrives, or the rule drops it");
        return;
    }
    if (one_target_only(s, scale)) {
        bpi_format(out, size,
                   "of several uses of the tensor only one contributes: contributions are not "
                   "added up");
        return;
    }
    double factor = common_factor(s, scale);
    if (factor != 0 && !near(factor, 1, 0))
        explain_factor(s, factor, out, size);
    else if (!explain_moved(s, scale, out, size))
        explain_unknown(s, scale, out, size);
}
