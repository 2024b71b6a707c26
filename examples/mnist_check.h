/* The gradients of a fully connected network three ways: by the formulas that one derives by
 * hand, here in plain C; by the library; by central differences of the loss. With rows as
 * samples
 *
 *     δ_L = ∂E/∂y ⊙ f'(z_L)        δ_l = (δ_{l+1} W_{l+1}ᵀ) ⊙ f'(z_l)
 *     ∂E/∂W_l = a_{l-1}ᵀ δ_l       ∂E/∂b_l = δ_l summed over the samples
 *
 * where E = ½ Σ (y - t)² gives ∂E/∂y = y - t, the mean squared error 2 (y - t) / (samples x
 * classes), and cross-entropy of a softmax δ_L = (p - t) / samples. All numbers are f64. */
#ifndef MNIST_CHECK_H
#define MNIST_CHECK_H

#include <backprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIGMOID, TANH, RELU };
enum { SQUARED_ERROR, MSE, CROSS_ENTROPY };

typedef struct layer {
    char weight[32], bias[32]; /* names of the parameters */
    int64_t in, out;
    double *w, *b;     /* [in, out], [out] */
    double *a, *delta; /* [samples, out]: activations and error terms */
    double *gw, *gb;   /* the gradients of w and b, zero at first */
} layer;

/* What is computed, besides the layers. */
typedef struct problem {
    int activation, loss;
    int64_t samples;
    const double *x, *t;
} problem;

/* Softmax is part of its loss, and relu outputs could not be negative: such outputs stay linear. */
static bool linear_output(int activation, int loss) {
    return loss == CROSS_ENTROPY || activation == RELU;
}

/* ---- by hand --------------------------------------------------------------------------------- */

static double squash(double z, int activation) {
    return activation == SIGMOID ? 1 / (1 + exp(-z)) : activation == TANH ? tanh(z) : fmax(z, 0);
}

/* f'(z) from a = f(z). */
static double slope(double a, int activation) {
    return activation == SIGMOID ? a * (1 - a) : activation == TANH ? 1 - a * a : a > 0;
}

static void forward(const layer *l, const double *x, const problem *p, bool linear) {
    for (int64_t s = 0; s < p->samples; s++)
        for (int64_t j = 0; j < l->out; j++) {
            double z = l->b[j];
            for (int64_t i = 0; i < l->in; i++)
                z += x[s * l->in + i] * l->w[i * l->out + j];
            l->a[s * l->out + j] = linear ? z : squash(z, p->activation);
        }
}

/* The error term of the output layer. */
static void output_delta(const layer *l, const problem *p) {
    bool linear = linear_output(p->activation, p->loss);
    for (int64_t s = 0; s < p->samples; s++) {
        const double *y = l->a + s * l->out, *t = p->t + s * l->out;
        double sum = 0;
        for (int64_t j = 0; j < l->out; j++)
            sum += exp(y[j]);
        for (int64_t j = 0; j < l->out; j++) {
            double error = p->loss == SQUARED_ERROR ? y[j] - t[j]
                           : p->loss == MSE ? 2 * (y[j] - t[j]) / (double)(p->samples * l->out)
                                            : (exp(y[j]) / sum - t[j]) / (double)p->samples;
            l->delta[s * l->out + j] = linear ? error : error * slope(y[j], p->activation);
        }
    }
}

static void weight_gradient(const layer *l, const double *x, const problem *p) {
    for (int64_t s = 0; s < p->samples; s++)
        for (int64_t j = 0; j < l->out; j++) {
            l->gb[j] += l->delta[s * l->out + j];
            for (int64_t i = 0; i < l->in; i++)
                l->gw[i * l->out + j] += x[s * l->in + i] * l->delta[s * l->out + j];
        }
}

/* The error term of the layer below. */
static void pass_back(const layer *above, const layer *below, const problem *p) {
    for (int64_t s = 0; s < p->samples; s++)
        for (int64_t i = 0; i < below->out; i++) {
            double sum = 0;
            for (int64_t j = 0; j < above->out; j++)
                sum += above->delta[s * above->out + j] * above->w[i * above->out + j];
            below->delta[s * below->out + i] =
                sum * slope(below->a[s * below->out + i], p->activation);
        }
}

static void hand_gradients(layer *l, int layers, const problem *p) {
    int last = layers - 1;
    for (int k = 0; k <= last; k++)
        forward(&l[k], k ? l[k - 1].a : p->x, p,
                k == last && linear_output(p->activation, p->loss));
    output_delta(&l[last], p);
    for (int k = last; k >= 0; k--) {
        weight_gradient(&l[k], k ? l[k - 1].a : p->x, p);
        if (k)
            pass_back(&l[k], &l[k - 1], p);
    }
}

/* ---- the three compared ---------------------------------------------------------------------- */

/* A difference relative to the numbers, or to `least` where they are smaller. */
static double relative(double a, double b, double least) {
    return fabs(a - b) / fmax(fmax(fabs(a), fabs(b)), least);
}

/* The central difference of the loss for one element of the parameter `name` with the values w. */
static double difference(bp_model *model, bp_tensor *loss, const char *name, double *w,
                         int64_t count, int64_t at) {
    double value = w[at], h = 1e-5 * fmax(1, fabs(value)), e[2];
    for (int side = 0; side < 2; side++) {
        w[at] = side ? value - h : value + h;
        bp_model_write(model, name, w, (size_t)count * sizeof *w);
        e[side] = bp_item(loss);
    }
    w[at] = value;
    bp_model_write(model, name, w, (size_t)count * sizeof *w);
    return (e[0] - e[1]) / (2 * h);
}

/* Compares the gradients of one parameter, `rows` 0 for a vector, and prints a line. The element
 * shown is the one, of up to 200, where the automatic gradient and the difference are furthest
 * apart. Returns whether the three agree. */
static bool compare(bp_model *model, bp_tensor *loss, const char *name, int64_t rows,
                    int64_t columns, double *w, const double *hand) {
    enum { PERTURBED = 200 };
    int64_t count = (rows ? rows : 1) * columns, shown = 0;
    double largest = 0, by_formula = 0, by_difference = -1, numeric = 0;
    const double *automatic = bp_f64(bp_grad(loss, bp_find(bp_tensor_graph(loss), name)));
    double *kept = (double *)calloc((size_t)count, sizeof *kept);
    if (!automatic || !kept) {
        free(kept);
        return false;
    }
    for (int64_t k = 0; k < count; k++) {
        kept[k] = automatic[k]; /* the graph's memory holds until it runs again */
        largest = fmax(largest, fabs(hand[k]));
    }
    double least = 1e-3 * largest;
    for (int64_t k = 0; k < count; k++) {
        double error = relative(hand[k], kept[k], least);
        by_formula = error <= by_formula ? by_formula : error; /* NaN stays */
    }
    for (int64_t k = 0; k < count && k < PERTURBED; k++) {
        int64_t at = count <= PERTURBED ? k : k * 2654435761 % count;
        double d = difference(model, loss, name, w, count, at);
        double error = relative(kept[at], d, least);
        if (!(error <= by_difference))
            shown = at, numeric = d, by_difference = error;
    }
    char shape[48], element[48];
    snprintf(shape, sizeof shape, rows ? "[%lld,%lld]" : "[%lld]",
             (long long)(rows ? rows : columns), (long long)columns);
    snprintf(element, sizeof element, rows ? "[%lld,%lld]" : "[%lld]",
             (long long)(rows ? shown / columns : shown), (long long)(shown % columns));
    printf("%-14s %-9s %-9s %14.6e %14.6e %14.6e %9.1e %9.1e\n", name, shape, element, hand[shown],
           kept[shown], numeric, by_formula, by_difference);
    free(kept);
    return largest > 0 && by_formula < 1e-10 && by_difference >= 0 && by_difference < 1e-5;
}

/* Prints the table; returns whether all agree. */
static bool three_ways(bp_model *model, bp_tensor *loss, layer *l, int layers, const problem *p) {
    bool same = true;
    hand_gradients(l, layers, p);
    printf("%-14s %-9s %-9s %14s %14s %14s %9s %9s\n", "parameter", "shape", "element",
           "hand formula", "automatic", "difference", "hand-auto", "auto-diff");
    for (int k = 0; k < layers; k++) {
        same = compare(model, loss, l[k].weight, l[k].in, l[k].out, l[k].w, l[k].gw) && same;
        same = compare(model, loss, l[k].bias, 0, l[k].out, l[k].b, l[k].gb) && same;
    }
    printf(
        "\nhand-auto: the largest relative difference of all elements; auto-diff: of the elements "
        "that\n"
        "were moved, up to 200 of each parameter, by 1e-5; the worst of these is the one shown.\n");
    return same;
}

#endif
