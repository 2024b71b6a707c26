/* Hessian-vector product of a net with one hidden layer, sigmoid, mse, one sample: forward mode
 * (dots) through the gradient, with the direction V beside the weights W.
 *
 *     z1 = W1 x + b1      ż1 = V1 x + c1                     h = σ(z1)   ḣ = σ′(z1) ż1
 *     z2 = W2 h + b2      ż2 = V2 h + W2 ḣ + c2              y = σ(z2)   ẏ = σ′(z2) ż2
 *     δ2 = k (y − t) σ′(z2)          δ̇2 = k (ẏ σ′(z2) + (y − t) σ″(z2) ż2)      k = 2 / outputs
 *     u = W2ᵀ δ2                     u̇ = W2ᵀ δ̇2 + V2ᵀ δ2
 *     δ1 = u σ′(z1)                  δ̇1 = u̇ σ′(z1) + u σ″(z1) ż1
 *     H V = (δ̇1 xᵀ, δ̇1, δ̇2 hᵀ + δ2 ḣᵀ, δ̇2)
 *
 * Weights and results are [out, in]. The cost is reading W1 and V1 and writing the result.
 */
#include "hand.h"
#include "parts.h"

#include <string.h>

enum { TOGETHER = 4 }; /* rows of W1 and V1 that share one pass over x */

/* W1, b1, W2, b2 of something: the weights, the direction, the result. */
typedef struct parameters {
    real *w1, *b1, *w2, *b2;
} parameters;

typedef struct net {
    const problem *p;
    int in, hidden, out;
    parameters w, v, hv;
    real *x[MAX_BATCHES], *t[MAX_BATCHES];
    real *h, *dz1, *dh, *u, *du, *dd1; /* dz1 is ż1, dd1 is δ̇1 */
    real *y, *dz2, *d2, *dd2;
    int batch; /* the sample of the next product */
} net;

/* z [out] = w x and dz [out] = v x, both from one pass over x. */
static void two_products(int out, int in, const real *restrict x, const real *restrict w,
                         const real *restrict v, real *restrict z, real *restrict dz) {
    int o = 0;
    for (; o + TOGETHER <= out; o += TOGETHER) {
        const real *wo = w + o * in, *vo = v + o * in;
        real sum[TOGETHER] = {0}, dot[TOGETHER] = {0};
        for (int i = 0; i < in; i++)
            for (int k = 0; k < TOGETHER; k++) {
                sum[k] += wo[k * in + i] * x[i];
                dot[k] += vo[k * in + i] * x[i];
            }
        for (int k = 0; k < TOGETHER; k++)
            z[o + k] = sum[k], dz[o + k] = dot[k];
    }
    for (; o < out; o++) {
        z[o] = dz[o] = 0;
        for (int i = 0; i < in; i++) {
            z[o] += w[o * in + i] * x[i];
            dz[o] += v[o * in + i] * x[i];
        }
    }
}

static void product(net *s) {
    const real *restrict x = s->x[s->batch], *restrict t = s->t[s->batch];
    int in = s->in, hidden = s->hidden, out = s->out;
    real *restrict h = s->h, *restrict dh = s->dh, *restrict u = s->u, *restrict du = s->du;
    real *restrict dd1 = s->dd1, *restrict dz1 = s->dz1, *restrict y = s->y, *restrict dz2 = s->dz2;
    const parameters w = s->w, v = s->v, hv = s->hv;

    two_products(hidden, in, x, w.w1, v.w1, h, dz1);
    for (int j = 0; j < hidden; j++) {
        h[j] = 1 / (1 + real_exp(-(h[j] + w.b1[j])));
        dz1[j] += v.b1[j];
        dh[j] = h[j] * (1 - h[j]) * dz1[j];
        u[j] = du[j] = 0;
    }
    for (int o = 0; o < out; o++) {
        const real *restrict wo = w.w2 + o * hidden, *restrict vo = v.w2 + o * hidden;
        real z = w.b2[o], dot = v.b2[o];
        for (int j = 0; j < hidden; j++) {
            z += wo[j] * h[j];
            dot += vo[j] * h[j] + wo[j] * dh[j];
        }
        y[o] = z, dz2[o] = dot;
    }
    for (int o = 0; o < out; o++) {
        real k = (real)2 / (real)out, e, slope;
        y[o] = 1 / (1 + real_exp(-y[o]));
        e = y[o] - t[o], slope = y[o] * (1 - y[o]);
        s->d2[o] = k * e * slope;
        s->dd2[o] = k * dz2[o] * slope * (slope + e * (1 - 2 * y[o]));
    }
    for (int o = 0; o < out; o++) {
        const real *restrict wo = w.w2 + o * hidden, *restrict vo = v.w2 + o * hidden;
        real *restrict hvo = hv.w2 + o * hidden, d = s->d2[o], dd = s->dd2[o];
        for (int j = 0; j < hidden; j++) {
            u[j] += wo[j] * d;
            du[j] += wo[j] * dd + vo[j] * d;
            hvo[j] = dd * h[j] + d * dh[j];
        }
        hv.b2[o] = dd;
    }
    for (int j = 0; j < hidden; j++) {
        real slope = h[j] * (1 - h[j]);
        hv.b1[j] = dd1[j] = slope * (du[j] + u[j] * (1 - 2 * h[j]) * dz1[j]);
    }
    for (int j = 0; j < hidden; j++) {
        real *restrict row = hv.w1 + j * in, d = dd1[j];
        for (int i = 0; i < in; i++)
            row[i] = d * x[i];
    }
}

static void steps(void *state, int n) {
    net *s = state;
    for (int i = 0; i < n; i++) {
        product(s);
        s->batch = (s->batch + 1) % s->p->n_batches;
    }
}

static parameters parameters_new(const net *s) {
    return (parameters){new_array(s->in * s->hidden), new_array(s->hidden),
                        new_array(s->hidden * s->out), new_array(s->out)};
}

static void parameters_fill(const net *s, parameters to, const float *const *weight,
                            const float *const *bias) {
    widen_transposed(weight[0], to.w1, s->in, s->hidden);
    widen(bias[0], to.b1, s->hidden);
    widen_transposed(weight[1], to.w2, s->hidden, s->out);
    widen(bias[1], to.b2, s->out);
}

static void parameters_free(parameters p) { free(p.w1), free(p.b1), free(p.w2), free(p.b2); }

static void *open_net(const problem *p) {
    net *s = calloc(1, sizeof *s);
    s->p = p, s->in = p->size[0], s->hidden = p->size[1], s->out = p->size[2];
    s->w = parameters_new(s), s->v = parameters_new(s), s->hv = parameters_new(s);
    parameters_fill(s, s->v, p->weight_direction, p->bias_direction);
    for (int k = 0; k < p->n_batches; k++) {
        s->x[k] = new_array(s->in), s->t[k] = new_array(s->out);
        widen(p->x[k], s->x[k], s->in);
        widen(p->target[k], s->t[k], s->out);
    }
    real **by_hidden[] = {&s->h, &s->dz1, &s->dh, &s->u, &s->du, &s->dd1};
    real **by_out[] = {&s->y, &s->dz2, &s->d2, &s->dd2};
    for (int i = 0; i < 6; i++)
        *by_hidden[i] = new_array(s->hidden);
    for (int i = 0; i < 4; i++)
        *by_out[i] = new_array(s->out);
    return s;
}

static void reset(void *state) {
    net *s = state;
    parameters_fill(s, s->w, s->p->weight, s->p->bias);
    s->batch = 0;
}

static void select_batch(void *state, int batch) { ((net *)state)->batch = batch; }

static double dot(int n, const real *a, const real *b) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Vᵀ H V, so that the last product can be compared. */
static double loss(void *state) {
    net *s = state;
    return dot(s->in * s->hidden, s->v.w1, s->hv.w1) + dot(s->hidden, s->v.b1, s->hv.b1) +
           dot(s->hidden * s->out, s->v.w2, s->hv.w2) + dot(s->out, s->v.b2, s->hv.b2);
}

static void close_net(void *state) {
    net *s = state;
    parameters_free(s->w), parameters_free(s->v), parameters_free(s->hv);
    for (int k = 0; k < s->p->n_batches; k++)
        free(s->x[k]), free(s->t[k]);
    free(s->h), free(s->dz1), free(s->dh), free(s->u), free(s->du), free(s->dd1);
    free(s->y), free(s->dz2), free(s->d2), free(s->dd2);
    free(s);
}

const competitor REAL(hvp) = {open_net, reset, select_batch, steps, loss, close_net};
