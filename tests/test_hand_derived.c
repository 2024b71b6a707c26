/* The gradients of fully connected networks, derived by hand and written as plain loops, against
 * what reverse mode records. Readable as a text on error propagation:
 *
 * A layer computes z = a W + b from the activations a of the layer before (rows are samples), and
 * then its own activations f(z). E is the loss of the last activations y. The
 * error terms δ = ∂E/∂z are
 *
 *     δ_L = ∂E/∂y ⊙ f'(z_L)                    at the output,
 *     δ_l = (δ_{l+1} W_{l+1}ᵀ) ⊙ f'(z_l)       going back, layer by layer,
 *
 * and from them the gradients of the parameters:
 *
 *     ∂E/∂W_l = a_{l-1}ᵀ δ_l,    ∂E/∂b_l = δ_l summed over the samples.
 *
 * Textbooks that write samples as columns, z = W a + b with W [out, in], have for each sample
 *
 *     δ_l = (W_{l+1}ᵀ δ_{l+1}) ⊙ f'(z_l),      ∂E/∂W_l = δ_l a_{l-1}ᵀ:
 *
 * the same numbers with W transposed. Both are computed below.
 * Source: Rumelhart, Hinton and Williams, "Learning representations by
 * back-propagating errors", 1986. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "random.h"
#include "suite.h"

enum { LAYERS = 5, UNITS = 24, SAMPLES = 7 };

typedef enum activation { SIGMOID, TANH, RELU, LEAKY_RELU, LINEAR, ACTIVATIONS } activation;
typedef enum loss { MSE, SQUARED_ERROR, CROSS_ENTROPY, LOSSES } loss;
static const double slope = 0.1;

/* A network with everything that the hand derivation computes. Layer 0 is the input. */
typedef struct network {
    int depth, samples;
    int units[LAYERS + 1];
    activation f[LAYERS + 1];
    loss loss;
    double w[LAYERS + 1][UNITS]
            [UNITS]; /* w[l][i][j]: from unit i of layer l-1 to unit j of layer l */
    double b[LAYERS + 1][UNITS];
    double z[LAYERS + 1][SAMPLES][UNITS], a[LAYERS + 1][SAMPLES][UNITS];
    double t[SAMPLES][UNITS]; /* targets; for cross-entropy probabilities */
    double delta[LAYERS + 1][SAMPLES][UNITS];
    double dw[LAYERS + 1][UNITS][UNITS], db[LAYERS + 1][UNITS], dx[SAMPLES][UNITS];
    double e;
} network;

/* ---- activations and their derivatives ------------------------------------------------------- */

static double f(activation kind, double z) {
    switch (kind) {
    case SIGMOID: return 1 / (1 + exp(-z));
    case TANH: return tanh(z);
    case RELU: return z > 0 ? z : 0;
    case LEAKY_RELU: return z > 0 ? z : slope * z;
    default: return z;
    }
}

static double f_prime(activation kind, double z) {
    switch (kind) {
    case SIGMOID: return f(SIGMOID, z) * (1 - f(SIGMOID, z));
    case TANH: return 1 - tanh(z) * tanh(z);
    case RELU: return z > 0 ? 1 : 0; /* 0 at the kink, by convention */
    case LEAKY_RELU: return z > 0 ? 1 : slope;
    default: return 1;
    }
}

/* ---- forward --------------------------------------------------------------------------------- */

static void forward(network *n) {
    for (int l = 1; l <= n->depth; l++)
        for (int s = 0; s < n->samples; s++)
            for (int j = 0; j < n->units[l]; j++) {
                double z = n->b[l][j];
                for (int i = 0; i < n->units[l - 1]; i++)
                    z += n->a[l - 1][s][i] * n->w[l][i][j];
                n->z[l][s][j] = z;
                n->a[l][s][j] = f(n->f[l], z);
            }
}

/* Sets E, and ∂E/∂y into dy, where y are the activations of the last layer.
 *   mean squared error   E = (1/n) Σ (y - t)²       ∂E/∂y = 2 (y - t) / n      n: all elements
 *   squared error        E = ½ Σ (y - t)²           ∂E/∂y = y - t
 *   cross-entropy        E = -(1/n) Σ t ln p        ∂E/∂y = (p - t) / n        n: samples
 * with p = softmax(y) and targets t that sum to 1 for each sample. */
static void loss_and_its_gradient(network *n, double dy[SAMPLES][UNITS]) {
    int outputs = n->units[n->depth];
    n->e = 0;
    for (int s = 0; s < n->samples; s++) {
        const double *y = n->a[n->depth][s], *t = n->t[s];
        double sum = 0;
        for (int j = 0; j < outputs; j++)
            sum += exp(y[j]);
        for (int j = 0; j < outputs; j++) {
            double error = y[j] - t[j], p = exp(y[j]) / sum, elements = n->samples * outputs;
            n->e += n->loss == MSE             ? error * error / elements
                    : n->loss == SQUARED_ERROR ? error * error / 2
                                               : -t[j] * log(p) / n->samples;
            dy[s][j] = n->loss == MSE             ? 2 * error / elements
                       : n->loss == SQUARED_ERROR ? error
                                                  : (p - t[j]) / n->samples;
        }
    }
}

/* ---- backward, rows are samples -------------------------------------------------------------- */

static void error_terms(network *n) {
    double dy[SAMPLES][UNITS];
    loss_and_its_gradient(n, dy);
    for (int l = n->depth; l >= 1; l--)
        for (int s = 0; s < n->samples; s++)
            for (int i = 0; i < n->units[l]; i++) {
                double back = l == n->depth ? dy[s][i] : 0;
                for (int j = 0; l < n->depth && j < n->units[l + 1]; j++)
                    back += n->delta[l + 1][s][j] * n->w[l + 1][i][j];
                n->delta[l][s][i] = back * f_prime(n->f[l], n->z[l][s][i]);
            }
}

static void parameter_gradients(network *n) {
    for (int l = 1; l <= n->depth; l++)
        for (int j = 0; j < n->units[l]; j++) {
            n->db[l][j] = 0;
            for (int s = 0; s < n->samples; s++)
                n->db[l][j] += n->delta[l][s][j];
            for (int i = 0; i < n->units[l - 1]; i++) {
                n->dw[l][i][j] = 0;
                for (int s = 0; s < n->samples; s++)
                    n->dw[l][i][j] += n->a[l - 1][s][i] * n->delta[l][s][j];
            }
        }
}

/* The input is a layer without activation: ∂E/∂x = δ_1 W_1ᵀ. */
static void input_gradient(network *n) {
    for (int s = 0; s < n->samples; s++)
        for (int i = 0; i < n->units[0]; i++) {
            n->dx[s][i] = 0;
            for (int j = 0; j < n->units[1]; j++)
                n->dx[s][i] += n->delta[1][s][j] * n->w[1][i][j];
        }
}

/* ---- backward, samples are columns ----------------------------------------------------------- */

/* The textbook's other convention: matrices W [out, in], one sample at a time, sums
 * over the samples. */
static void check_column_convention(const network *n) {
    static double w[LAYERS + 1][UNITS][UNITS], dw[LAYERS + 1][UNITS][UNITS];
    memset(dw, 0, sizeof dw);
    for (int l = 1; l <= n->depth; l++)
        for (int j = 0; j < n->units[l]; j++)
            for (int i = 0; i < n->units[l - 1]; i++)
                w[l][j][i] = n->w[l][i][j];
    for (int s = 0; s < n->samples; s++) {
        double delta[LAYERS + 1][UNITS];
        memcpy(delta[n->depth], n->delta[n->depth][s], sizeof delta[0]);
        for (int l = n->depth - 1; l >= 1; l--) /* δ_l = W_{l+1}ᵀ δ_{l+1} ⊙ f'(z_l) */
            for (int i = 0; i < n->units[l]; i++) {
                double back = 0;
                for (int j = 0; j < n->units[l + 1]; j++)
                    back += w[l + 1][j][i] * delta[l + 1][j];
                delta[l][i] = back * f_prime(n->f[l], n->z[l][s][i]);
            }
        for (int l = 1; l <= n->depth; l++) /* ∂E/∂W_l = δ_l a_{l-1}ᵀ */
            for (int j = 0; j < n->units[l]; j++)
                for (int i = 0; i < n->units[l - 1]; i++)
                    dw[l][j][i] += delta[l][j] * n->a[l - 1][s][i];
    }
    for (int l = 1; l <= n->depth; l++)
        for (int j = 0; j < n->units[l]; j++)
            for (int i = 0; i < n->units[l - 1]; i++)
                ck_assert_double_eq_tol(dw[l][j][i], n->dw[l][i][j],
                                        1e-14 * (1 + fabs(dw[l][j][i])));
}

/* ---- a random network ------------------------------------------------------------------------ */

/* Values that f32 holds exactly, so that both dtypes see the same network. */
static double draw(bpi_random *r) { return (double)(float)bpi_random_normal(r); }

/* For cross-entropy probabilities that sum to exactly 1: multiples of 1/1024. */
static void draw_targets(network *n, bpi_random *r) {
    int classes = n->units[n->depth];
    for (int s = 0; s < n->samples; s++) {
        int left = 1024;
        for (int j = 0; j < classes; j++) {
            int part = j == classes - 1 ? left : (int)bpi_random_below(r, (uint64_t)left + 1);
            left -= part;
            n->t[s][j] = n->loss == CROSS_ENTROPY ? part / 1024.0 : draw(r);
        }
    }
}

static void draw_network(network *n, int seed, int attempt) {
    bpi_random r = bpi_random_new((uint64_t)seed, (uint64_t)attempt);
    memset(n, 0, sizeof *n);
    n->depth = 1 + seed % LAYERS;
    n->samples = seed % 3 == 0 ? 1 : 2 + (int)bpi_random_below(&r, SAMPLES - 1);
    n->loss = (loss)bpi_random_below(&r, LOSSES);
    for (int l = 0; l <= n->depth; l++) {
        n->units[l] = 1 + (int)bpi_random_below(&r, seed % 4 == 3 ? UNITS : 6);
        n->f[l] = (activation)bpi_random_below(&r, ACTIVATIONS);
    }
    if (n->loss == CROSS_ENTROPY)
        n->f[n->depth] = LINEAR; /* the softmax belongs to the loss */
    for (int s = 0; s < n->samples; s++)
        for (int i = 0; i < n->units[0]; i++)
            n->a[0][s][i] = draw(&r);
    for (int l = 1; l <= n->depth; l++)
        for (int j = 0; j < n->units[l]; j++) {
            n->b[l][j] = draw(&r);
            for (int i = 0; i < n->units[l - 1]; i++)
                n->w[l][i][j] = (double)(float)(draw(&r) / sqrt(n->units[l - 1]));
        }
    draw_targets(n, &r);
}

/* Near saturation 1 - tanh² is a difference of nearly equal numbers, which no formula computes to
 * twelve digits: such networks are drawn again. */
static bool saturates(const network *n) {
    for (int l = 1; l <= n->depth; l++)
        for (int s = 0; s < n->samples; s++)
            for (int j = 0; j < n->units[l]; j++)
                if ((n->f[l] == SIGMOID || n->f[l] == TANH) && fabs(n->z[l][s][j]) > 3)
                    return true;
    return false;
}

/* ---- the same network recorded --------------------------------------------------------------- */

static bp_tensor *activate(activation kind, bp_tensor *z) {
    switch (kind) {
    case SIGMOID: return bp_sigmoid(z);
    case TANH: return bp_tanh(z);
    case RELU: return bp_relu(z);
    case LEAKY_RELU: return bp_leaky_relu(z, slope);
    default: return z;
    }
}

/* Packs the used corner of rows of UNITS doubles into an array of a dtype; returns that array. */
static const void *pack(double (*rows)[UNITS], int count, int length, bp_dtype dtype) {
    static double f64[UNITS * UNITS];
    static float f32[UNITS * UNITS];
    for (int i = 0; i < count; i++)
        for (int j = 0; j < length; j++) {
            f64[i * length + j] = rows[i][j];
            f32[i * length + j] = (float)rows[i][j];
        }
    return dtype == BP_F64 ? (const void *)f64 : f32;
}

static bp_tensor *given(bp_graph *g, const char *name, double (*rows)[UNITS], int count, int length,
                        bp_dtype dtype) {
    bp_tensor *x = bp_input(g, name, dtype, BP_SHAPE(count, length));
    bp_write(x, pack(rows, count, length, dtype));
    return x;
}

static void set_parameter(bp_model *m, const char *layer, const char *what, double (*rows)[UNITS],
                          int count, int length, bp_dtype dtype) {
    char name[40];
    snprintf(name, sizeof name, "%s.%s", layer, what);
    size_t bytes = (size_t)(count * length) * bp_dtype_size(dtype);
    ck_assert_int_eq(bp_model_write(m, name, pack(rows, count, length, dtype), bytes), BP_OK);
}

static bp_tensor *record(network *n, bp_model *m, bp_graph *g, bp_dtype dtype) {
    bp_tensor *a = given(g, "x", n->a[0], n->samples, n->units[0], dtype);
    for (int l = 1; l <= n->depth; l++) {
        char layer[20];
        snprintf(layer, sizeof layer, "layer%d", l);
        a = activate(n->f[l], bp_linear(a, layer, n->units[l]));
        set_parameter(m, layer, "weight", n->w[l], n->units[l - 1], n->units[l], dtype);
        set_parameter(m, layer, "bias", &n->b[l], 1, n->units[l], dtype);
    }
    bp_tensor *t = given(g, "t", n->t, n->samples, n->units[n->depth], dtype);
    return n->loss == MSE             ? bp_mse(a, t)
           : n->loss == SQUARED_ERROR ? bp_squared_error(a, t)
                                      : bp_cross_entropy(a, t);
}

/* ---- the comparison -------------------------------------------------------------------------- */

/* Two ways to the same number may round differently: by `relative` of the number, and where terms
 * cancel by `cancelled` of the largest number in the tensor. */
typedef struct bounds {
    double relative, cancelled;
} bounds;
static const bounds f64_bounds = {1e-12, 1e-15}, f32_bounds = {1e-5, 1e-6};

static void compare(const char *what, bp_tensor *gradient, double (*rows)[UNITS], int count,
                    int length, bounds bound) {
    bool single = bp_tensor_dtype(gradient) == BP_F32;
    const void *values = bp_data(gradient);
    double largest = 0;
    ck_assert_int_eq(bp_tensor_count(gradient), count * length);
    for (int i = 0; i < count; i++)
        for (int j = 0; j < length; j++)
            largest = fmax(largest, fabs(rows[i][j]));
    for (int i = 0; i < count; i++)
        for (int j = 0; j < length; j++) {
            int k = i * length + j;
            double is = single ? (double)((const float *)values)[k] : ((const double *)values)[k];
            double hand = rows[i][j], error = fabs(is - hand);
            ck_assert_msg(error <= bound.relative * fabs(hand) + bound.cancelled * largest,
                          "%s[%d,%d]: by hand %.17g, recorded %.17g", what, i, j, hand, is);
        }
}

static void check_network(network *n, bp_dtype dtype) {
    bp_model *m = bp_model_new();
    bp_graph *g = bp_graph_new(m);
    bounds bound = dtype == BP_F64 ? f64_bounds : f32_bounds;
    bp_tensor *e = record(n, m, g, dtype);
    bp_tensor *wrt[2 * LAYERS + 1] = {bp_find(g, "x")}, *gradient[2 * LAYERS + 1];
    for (int l = 1; l <= n->depth; l++) {
        char name[40];
        snprintf(name, sizeof name, "layer%d.weight", l);
        wrt[2 * l - 1] = bp_find(g, name);
        snprintf(name, sizeof name, "layer%d.bias", l);
        wrt[2 * l] = bp_find(g, name);
    }
    int count = 2 * n->depth + 1;
    ck_assert_msg(bp_grads(&e, NULL, 1, wrt, count, gradient) == BP_OK, "%s", bp_error(g));
    ck_assert_double_eq_tol(bp_item(e), n->e, (dtype == BP_F64 ? 1e-13 : 1e-5) * (1 + fabs(n->e)));
    compare("dE/dx", gradient[0], n->dx, n->samples, n->units[0], bound);
    for (int l = 1; l <= n->depth; l++) {
        compare("dE/dW", gradient[2 * l - 1], n->dw[l], n->units[l - 1], n->units[l], bound);
        compare("dE/db", gradient[2 * l], &n->db[l], 1, n->units[l], bound);
    }
    bp_check_report report;
    ck_assert_msg(bp_check_plan(gradient, count, &report) == BP_OK, "%s", report.text);
    bp_graph_free(g);
    bp_model_free(m);
}

START_TEST(networks_have_the_gradients_derived_by_hand) {
    static network n;
    int attempt = 0;
    do {
        draw_network(&n, _i, attempt++);
        forward(&n);
    } while (saturates(&n));
    error_terms(&n);
    parameter_gradients(&n);
    input_gradient(&n);
    check_column_convention(&n);
    check_network(&n, BP_F64);
    check_network(&n, BP_F32);
}
END_TEST

/* ---- softmax and cross-entropy --------------------------------------------------------------- */

START_TEST(softmax_with_cross_entropy_gives_p_minus_t_over_n) {
    enum { N = 3, CLASSES = 4 };
    double z[N * CLASSES] = {0.5, -1, 2, 0, 3, 3, 3, 3, -2, 0.25, 1, 0.125};
    double t[N * CLASSES] = {0, 0, 1, 0, 0.25, 0.25, 0.5, 0, 1, 0, 0, 0};
    int32_t labels[N] = {2, 0, 3};
    bp_model *m = bp_model_new();
    bp_graph *g = bp_graph_new(m);
    bp_tensor *logits = bp_input(g, "logits", BP_F64, BP_SHAPE(N, CLASSES));
    bp_tensor *soft = bp_input(g, "probabilities", BP_F64, BP_SHAPE(N, CLASSES));
    bp_tensor *hard = bp_input(g, "labels", BP_I32, BP_SHAPE(N));
    bp_write(logits, z);
    bp_write(soft, t);
    bp_write(hard, labels);
    /* Three ways to write it: with probabilities, with labels, and composed of simpler ops. */
    bp_tensor *log_p = bp_log(bp_softmax(logits, -1));
    bp_tensor *composed = bp_scale(bp_sum(bp_mul(soft, log_p), BP_ALL, false), -1.0 / N);
    const double *by_soft = bp_f64(bp_grad(bp_cross_entropy(logits, soft), logits));
    double soft_copy[N * CLASSES], hard_copy[N * CLASSES];
    memcpy(soft_copy, by_soft, sizeof soft_copy);
    memcpy(hard_copy, bp_f64(bp_grad(bp_cross_entropy(logits, hard), logits)), sizeof hard_copy);
    const double *by_parts = bp_f64(bp_grad(composed, logits));
    ck_assert_msg(!bp_failed(g), "%s", bp_error(g));
    for (int s = 0; s < N; s++) {
        double sum = 0;
        for (int j = 0; j < CLASSES; j++)
            sum += exp(z[s * CLASSES + j]);
        for (int j = 0; j < CLASSES; j++) {
            int k = s * CLASSES + j;
            double p = exp(z[k]) / sum;
            ck_assert_double_eq_tol(soft_copy[k], (p - t[k]) / N, 1e-15);
            ck_assert_double_eq_tol(by_parts[k], (p - t[k]) / N, 1e-15);
            ck_assert_double_eq_tol(hard_copy[k], (p - (labels[s] == j)) / N, 1e-15);
        }
    }
    bp_graph_free(g);
    bp_model_free(m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hand_derived");
    TCase *networks = tcase_create("networks");
    tcase_add_loop_test(networks, networks_have_the_gradients_derived_by_hand, 0, 120);
    tcase_add_test(networks, softmax_with_cross_entropy_gives_p_minus_t_over_n);
    suite_add_tcase(suite, networks);
    return run_suite(suite);
}
