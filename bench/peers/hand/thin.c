/* A training step for a batch of one to four: there a weight is read once per pass for all samples,
 * and its gradient, of rank `batch`, is never stored but goes into the update as it is computed.
 *
 * Weights are [out, in]. Forward: y[s][o] = Σ_i x[s][i] w[o][i], four outputs at a time.
 * Update: w[o][i] -= lr Σ_s g[s][o] x[s][i], or the same through the momentum v.
 */
#include "hand.h"
#include "parts.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline)) /* so that `batch` is a constant */

typedef struct layer {
    int in, out;
    real *w, *b, *gb, *v_w, *v_b;
    real *y, *g; /* [batch, out] */
} layer;

typedef struct net {
    const problem *p;
    int n;
    layer layer[MAX_LAYERS];
    real *x[MAX_BATCHES], *t[MAX_BATCHES];
    int label[MAX_BATCHES][THIN_BATCH];
    int batch; /* the selected one */
    double loss;
} net;

INLINE void forward_outputs(int batch, int count, int in, int stride, const real *restrict x,
                            const real *restrict w, real *restrict y) {
    real sum[4][THIN_BATCH] = {{0}};
    for (int i = 0; i < in; i++)
        for (int o = 0; o < count; o++)
            for (int s = 0; s < batch; s++)
                sum[o][s] += w[o * in + i] * x[s * in + i];
    for (int o = 0; o < count; o++)
        for (int s = 0; s < batch; s++)
            y[s * stride + o] = sum[o][s];
}

INLINE void forward_layer(int batch, int in, int out, const real *x, const real *w, real *y) {
    int o = 0;
    for (; o + 4 <= out; o += 4)
        forward_outputs(batch, 4, in, out, x, w + o * in, y + o);
    for (; o < out; o++)
        forward_outputs(batch, 1, in, out, x, w + o * in, y + o);
}

/* gx [batch, in] = g [batch, out] w */
INLINE void input_gradient(int batch, int in, int out, const real *restrict g,
                           const real *restrict w, real *restrict gx) {
    memset(gx, 0, (size_t)(batch * in) * sizeof *gx);
    for (int o = 0; o < out; o++)
        for (int s = 0; s < batch; s++)
            for (int i = 0; i < in; i++)
                gx[s * in + i] += g[s * out + o] * w[o * in + i];
}

INLINE void update_sgd(int batch, int in, int out, real lr, const real *restrict x,
                       const real *restrict g, real *restrict w) {
    for (int o = 0; o < out; o++)
        for (int i = 0; i < in; i++) {
            real sum = 0;
            for (int s = 0; s < batch; s++)
                sum += g[s * out + o] * x[s * in + i];
            w[o * in + i] -= lr * sum;
        }
}

INLINE void update_momentum(int batch, int in, int out, real lr, real mu, const real *restrict x,
                            const real *restrict g, real *restrict v, real *restrict w) {
    for (int o = 0; o < out; o++)
        for (int i = 0; i < in; i++) {
            real sum = mu * v[o * in + i];
            for (int s = 0; s < batch; s++)
                sum += g[s * out + o] * x[s * in + i];
            v[o * in + i] = sum;
            w[o * in + i] -= lr * sum;
        }
}

INLINE void update(const problem *p, layer *l, int batch, const real *x) {
    real lr = (real)p->lr, mu = (real)p->beta1;
    if (p->optimizer == SGD) {
        update_sgd(batch, l->in, l->out, lr, x, l->g, l->w);
        sgd_update(l->out, lr, l->gb, l->b);
    } else {
        update_momentum(batch, l->in, l->out, lr, mu, x, l->g, l->v_w, l->w);
        momentum_update(l->out, lr, mu, l->gb, l->v_b, l->b);
    }
}

INLINE void step(net *s, int batch) {
    const problem *p = s->p;
    layer *last = &s->layer[s->n - 1];
    const real *x = s->x[s->batch];
    for (layer *l = s->layer; l <= last; l++) {
        forward_layer(batch, l->in, l->out, x, l->w, l->y);
        if (l < last)
            bias_activation(p->hidden, batch, l->out, l->b, l->y);
        x = l->y;
    }
    if (p->loss == MSE)
        s->loss = mse_of_sigmoid(batch, last->out, last->b, s->t[s->batch], last->y, last->gb);
    else
        s->loss =
            softmax_cross_entropy(batch, last->out, last->b, s->label[s->batch], last->y, last->gb);
    for (layer *l = last; l >= s->layer; l--) {
        layer *before = l - 1;
        if (l > s->layer) {
            input_gradient(batch, l->in, l->out, l->g, l->w, before->g);
            activation_gradient(p->hidden, batch, before->out, before->y, before->g, before->gb);
        }
        update(p, l, batch, l > s->layer ? before->y : s->x[s->batch]);
    }
}

static void steps(void *state, int n) {
    net *s = state;
    for (int i = 0; i < n; i++) {
        switch (s->p->batch) {
        case 1: step(s, 1); break;
        case 2: step(s, 2); break;
        case 3: step(s, 3); break;
        default: step(s, 4); break;
        }
    }
}

static void *open_net(const problem *p) {
    net *s = calloc(1, sizeof *s);
    s->p = p, s->n = p->n_layers;
    for (int i = 0; i < s->n; i++) {
        layer *l = &s->layer[i];
        l->in = p->size[i], l->out = p->size[i + 1];
        l->w = new_array(l->in * l->out), l->b = new_array(l->out);
        l->v_w = new_array(l->in * l->out), l->v_b = new_array(l->out);
        l->gb = new_array(l->out), l->y = new_array(p->batch * l->out);
        l->g = i == s->n - 1 ? l->y : new_array(p->batch * l->out);
    }
    for (int k = 0; k < p->n_batches; k++) {
        s->x[k] = new_array(p->batch * inputs(p));
        s->t[k] = new_array(target_count(p));
        widen(p->x[k], s->x[k], p->batch * inputs(p));
        widen(p->target[k], s->t[k], target_count(p));
        if (p->loss == CROSS_ENTROPY)
            for (int r = 0; r < p->batch; r++)
                s->label[k][r] = (int)p->target[k][r];
    }
    return s;
}

static void reset(void *state) {
    net *s = state;
    for (int i = 0; i < s->n; i++) {
        layer *l = &s->layer[i];
        widen_transposed(s->p->weight[i], l->w, l->in, l->out);
        widen(s->p->bias[i], l->b, l->out);
        memset(l->v_w, 0, (size_t)(l->in * l->out) * sizeof(real));
        memset(l->v_b, 0, (size_t)l->out * sizeof(real));
    }
}

static void select_batch(void *state, int batch) { ((net *)state)->batch = batch; }

static double loss(void *state) { return ((net *)state)->loss; }

static void close_net(void *state) {
    net *s = state;
    for (int i = 0; i < s->n; i++) {
        layer *l = &s->layer[i];
        if (l->g != l->y)
            free(l->g);
        free(l->w), free(l->b), free(l->v_w), free(l->v_b), free(l->gb), free(l->y);
    }
    for (int k = 0; k < s->p->n_batches; k++)
        free(s->x[k]), free(s->t[k]);
    free(s);
}

const competitor thin_f32 = {open_net, reset, select_batch, steps, loss, close_net};
