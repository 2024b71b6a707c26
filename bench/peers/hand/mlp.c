/* A training step of any fully connected net: three BLAS products per layer, in the orientation
 * that measures faster, and one fused pass for everything between them.
 *
 * With x [batch, in] and δ the gradient by a layer's input to its activation:
 *     y = f(x W + b),  δ = (δ_next W_nextᵀ) f′,  W -= lr xᵀ δ  (or its momentum or Adam form)
 * SGD lets the weight product add -lr xᵀδ to W itself; momentum lets it accumulate into v. So δ Wᵀ
 * must be taken before W changes.
 */
#include "../layer_gemm.h"
#include "hand.h"
#include "parts.h"

typedef struct layer {
    int in, out;
    bool by_output;
    real *w, *b;
    real *gw;                         /* Adam: the gradient; momentum: unused, v takes its place */
    real *gb, *m_w, *v_w, *m_b, *v_b; /* m: Adam's first moment; v: second moment or momentum */
    real *y, *g; /* [batch, out]: values and gradients; the last layer has them in one array */
} layer;

typedef struct net {
    const problem *p;
    int n;
    layer layer[MAX_LAYERS];
    real *x[MAX_BATCHES], *t[MAX_BATCHES];
    int *label[MAX_BATCHES];
    int batch; /* the selected one */
    int step;
    double loss;
} net;

static void layer_open(layer *l, const problem *p, int i) {
    l->in = p->size[i], l->out = p->size[i + 1];
    l->by_output = better_by_output(p->batch, l->in, l->out, i == 0);
    l->w = new_array(l->in * l->out), l->b = new_array(l->out);
    l->gb = new_array(l->out), l->v_b = new_array(l->out), l->m_b = new_array(l->out);
    if (p->optimizer != SGD)
        l->v_w = new_array(l->in * l->out);
    if (p->optimizer == ADAM)
        l->gw = new_array(l->in * l->out), l->m_w = new_array(l->in * l->out);
    l->y = new_array(p->batch * l->out);
    l->g = i == p->n_layers - 1 ? l->y : new_array(p->batch * l->out);
}

static void *open_net(const problem *p) {
    net *s = calloc(1, sizeof *s);
    s->p = p, s->n = p->n_layers;
    if (p->loss == CROSS_ENTROPY && outputs(p) > ROW)
        abort();
    for (int i = 0; i < s->n; i++)
        layer_open(&s->layer[i], p, i);
    for (int k = 0; k < p->n_batches; k++) {
        s->x[k] = new_array(p->batch * inputs(p));
        s->t[k] = new_array(target_count(p));
        s->label[k] = calloc((size_t)p->batch, sizeof(int));
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
    s->step = 0;
    for (int i = 0; i < s->n; i++) {
        layer *l = &s->layer[i];
        if (l->by_output)
            widen_transposed(s->p->weight[i], l->w, l->in, l->out);
        else
            widen(s->p->weight[i], l->w, l->in * l->out);
        widen(s->p->bias[i], l->b, l->out);
        for (int j = 0; j < l->out; j++)
            l->v_b[j] = l->m_b[j] = 0;
        for (int j = 0; j < l->in * l->out; j++) {
            if (l->v_w)
                l->v_w[j] = 0;
            if (l->m_w)
                l->m_w[j] = 0;
        }
    }
}

static void forward(net *s) {
    const real *x = s->x[s->batch];
    for (int i = 0; i < s->n; i++) {
        layer *l = &s->layer[i];
        gemm_forward(l->by_output, s->p->batch, l->in, l->out, x, l->w, l->y);
        if (i < s->n - 1)
            bias_activation(s->p->hidden, s->p->batch, l->out, l->b, l->y);
        x = l->y;
    }
}

/* The output's gradient replaces the output. */
static void loss_and_gradient(net *s) {
    layer *l = &s->layer[s->n - 1];
    int rows = s->p->batch;
    if (s->p->loss == MSE)
        s->loss = mse_of_sigmoid(rows, l->out, l->b, s->t[s->batch], l->y, l->gb);
    else
        s->loss = softmax_cross_entropy(rows, l->out, l->b, s->label[s->batch], l->y, l->gb);
}

/* Weight gradient and update of one layer, given its input x and its gradient l->g. */
static void update(net *s, layer *l, const real *x, const adam_step *adam) {
    const problem *p = s->p;
    int rows = p->batch, n = l->in * l->out;
    real lr = (real)p->lr, mu = (real)p->beta1;
    if (p->optimizer == SGD) {
        gemm_weight_gradient(l->by_output, rows, l->in, l->out, -lr, x, l->g, 1, l->w);
        sgd_update(l->out, lr, l->gb, l->b);
    } else if (p->optimizer == MOMENTUM) {
        gemm_weight_gradient(l->by_output, rows, l->in, l->out, 1, x, l->g, mu, l->v_w);
        sgd_update(n, lr, l->v_w, l->w);
        momentum_update(l->out, lr, mu, l->gb, l->v_b, l->b);
    } else {
        gemm_weight_gradient(l->by_output, rows, l->in, l->out, 1, x, l->g, 0, l->gw);
        adam_update(n, *adam, l->gw, l->m_w, l->v_w, l->w);
        adam_update(l->out, *adam, l->gb, l->m_b, l->v_b, l->b);
    }
}

static void backward(net *s) {
    adam_step adam = {0};
    if (s->p->optimizer == ADAM)
        adam = adam_at(s->p, ++s->step);
    for (int i = s->n - 1; i >= 0; i--) {
        layer *l = &s->layer[i], *before = l - 1;
        if (i > 0) {
            gemm_input_gradient(l->by_output, s->p->batch, l->in, l->out, l->g, l->w, before->g);
            activation_gradient(s->p->hidden, s->p->batch, before->out, before->y, before->g,
                                before->gb);
        }
        update(s, l, i > 0 ? before->y : s->x[s->batch], &adam);
    }
}

static void steps(void *state, int n) {
    net *s = state;
    for (int i = 0; i < n; i++) {
        forward(s);
        loss_and_gradient(s);
        backward(s);
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
        free(l->w), free(l->b), free(l->gw), free(l->gb), free(l->y);
        free(l->m_w), free(l->v_w), free(l->m_b), free(l->v_b);
    }
    for (int k = 0; k < s->p->n_batches; k++)
        free(s->x[k]), free(s->t[k]), free(s->label[k]);
    free(s);
}

const competitor REAL(mlp) = {open_net, reset, select_batch, steps, loss, close_net};
