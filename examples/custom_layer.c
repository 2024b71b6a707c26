/* A layer and three ops that the library does not have, as you would add yours:
 *
 *   gated         a layer: a C function that composes ops and named parameters;
 *   snake         an op whose gradient is a function on plain arrays, the simplest way;
 *   sine, cosine  ops whose gradients record ops, each other: these can be differentiated again.
 *
 * The checker that guards the built-in ops takes them too; it is also shown a wrong gradient. */
#include <backprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a layer --------------------------------------------------------------------------------- */

/* y = x + sigmoid(x·G + c) ⊙ tanh(x·H + d): keeps x, and adds a change as far as a gate is open. */
static bp_tensor *gated(bp_tensor *x, const char *name) {
    bp_graph *graph = bp_tensor_graph(x);
    bp_shape shape = bp_tensor_shape(x);
    int64_t units = shape.size[shape.rank - 1];
    bp_scope_open(graph, name); /* parameters: NAME.gate.weight, ... */
    bp_tensor *gate = bp_sigmoid(bp_linear(x, "gate", units));
    bp_tensor *change = bp_tanh(bp_linear(x, "change", units));
    bp_scope_close(graph);
    return bp_add(x, bp_mul(gate, change));
}

/* ---- an op with a gradient on arrays --------------------------------------------------------- */

/* One element of an f32 or f64 array, as a double. */
static double get(const bp_array *x, int64_t i) {
    return x->type->dtype == BP_F32 ? ((const float *)x->data)[i] : ((const double *)x->data)[i];
}

static void set(const bp_array *x, int64_t i, double value) {
    if (x->type->dtype == BP_F32)
        ((float *)x->data)[i] = (float)value;
    else
        ((double *)x->data)[i] = value;
}

static bp_status snake_forward(const bp_call *c) {
    double a = c->attr[0].as.f;
    for (int64_t i = 0; i < c->y->count; i++) {
        double x = get(&c->x[0], i), s = sin(a * x);
        set(&c->y[0], i, x + s * s / a);
    }
    return BP_OK;
}

static bp_status snake_backward(const bp_call *c) {
    double a = c->attr[0].as.f;
    for (int64_t i = 0; i < c->x->count; i++)
        set(&c->gx[0], i, get(&c->gy[0], i) * (1 + sin(2 * a * get(&c->x[0], i))));
    return BP_OK;
}

/* Forgets that the derivative of s² is 2 s s': the cosine is missing. */
static bp_status wrong_backward(const bp_call *c) {
    double a = c->attr[0].as.f;
    for (int64_t i = 0; i < c->x->count; i++)
        set(&c->gx[0], i, get(&c->gy[0], i) * (1 + 2 * sin(a * get(&c->x[0], i))));
    return BP_OK;
}

/* Ziyin, Hartwig, Ueda: "Neural networks fail to learn periodic functions and how to fix it",
 * 2020. */
static const bp_op snake_op = {
    .name = "snake",
    .summary = "x + sin(a x)^2 / a: an activation that can go on repeating itself.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .attrs = {{"a", BP_ATTR_REAL}},
    .infer = bp_infer_float,
    .forward = snake_forward,
    .backward = snake_backward,
    .formula = "y = x + sin(a * x)^2 / a",
    .gradient = "gx = gy * (1 + sin(2 * a * x))",
    .samples = (const char *const[]){"[5] | a=1", "[2,3] | a=0.5", "[] | a=2", NULL},
};

static bp_tensor *snake(bp_tensor *x, double a) {
    bp_attr attrs[] = {bp_attr_real(a)};
    return bp_record(&snake_op, &x, 1, attrs);
}

/* ---- two ops whose gradients record each other ----------------------------------------------- */

static const bp_op sine_op, cosine_op;

static bp_status sine_forward(const bp_call *c) {
    for (int64_t i = 0; i < c->y->count; i++)
        set(&c->y[0], i, sin(get(&c->x[0], i)));
    return BP_OK;
}

static bp_status cosine_forward(const bp_call *c) {
    for (int64_t i = 0; i < c->y->count; i++)
        set(&c->y[0], i, cos(get(&c->x[0], i)));
    return BP_OK;
}

static void sine_vjp(bp_vjp *v) {
    v->gx[0] = bp_mul(v->gy[0], bp_record(&cosine_op, v->x, 1, NULL));
}

static void cosine_vjp(bp_vjp *v) {
    v->gx[0] = bp_neg(bp_mul(v->gy[0], bp_record(&sine_op, v->x, 1, NULL)));
}

static const bp_op sine_op = {
    .name = "sine",
    .summary = "The sine of every element.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .infer = bp_infer_float,
    .vjp = sine_vjp,
    .forward = sine_forward,
    .formula = "y = sin(x)",
    .gradient = "gx = gy * cos(x)",
    .samples = (const char *const[]){"[5]", "[2,3](-4,4)", NULL},
};

static const bp_op cosine_op = {
    .name = "cosine",
    .summary = "The cosine of every element.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .infer = bp_infer_float,
    .vjp = cosine_vjp,
    .forward = cosine_forward,
    .formula = "y = cos(x)",
    .gradient = "gx = -gy * sin(x)",
    .samples = (const char *const[]){"[5]", "[2,3](-4,4)", NULL},
};

/* ---- all of it at work ----------------------------------------------------------------------- */

/* Checks an op on the samples in its record: every operand, with a random cotangent, against
 * central differences. */
static bool passes(const bp_op *op) {
    bp_check_report report;
    bp_status status = bp_check_op(op, NULL, &report);
    printf("  %s\n", report.text);
    return status == BP_OK;
}

/* Fits sin(3x) + x/2 with a network of the layer and both ops; returns whether it learns. */
static bool learns(bp_executor executor) {
    enum { N = 64 };
    float points[N], values[N];
    for (int k = 0; k < N; k++) {
        points[k] = (float)k / 16 - 2;
        values[k] = sinf(3 * points[k]) + points[k] / 2;
    }
    bp_model *model = bp_model_new();
    bp_graph *graph = bp_graph_new(model);
    bp_set_executor(graph, executor);
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(N, 1));
    bp_tensor *t = bp_input(graph, "t", BP_F32, BP_SHAPE(N, 1));
    bp_tensor *h = snake(bp_linear(x, "first", 16), 2);
    h = gated(bp_record(&sine_op, &h, 1, NULL), "middle");
    bp_tensor *loss = bp_mse(bp_linear(h, "last", 1), t);
    bp_write(x, points);
    bp_write(t, values);

    bp_check_report gradients, plan;
    bool right = bp_check_gradients(loss, NULL, &gradients) == BP_OK;
    right = bp_check_plan(&loss, 1, &plan) == BP_OK && right;
    printf("  %s\n  %s\n", gradients.text, plan.text);
    bp_adam_config config = bp_adam_defaults();
    config.lr = 0.01;
    bp_optimizer *adam = bp_adam(model, &config);
    double first = bp_item(loss);
    for (int step = 0; step < 500; step++)
        bp_step(adam, loss);
    double last = bp_item(loss);
    printf("  mean squared error %.4f before, %.5f after 500 steps\n", first, last);
    if (bp_failed(graph))
        printf("%s\n", bp_error(graph));
    bp_graph_free(graph);
    bp_model_free(model);
    return right && last < 0.01;
}

int main(int argc, char **argv) {
    bool naive = argc == 2 && strcmp(argv[1], "--naive") == 0;
    if (argc > 1 && !naive)
        return fprintf(stderr, "usage: custom_layer [--naive]\n"), 2;
    bp_op wrong = snake_op;
    wrong.name = "snake with a wrong gradient";
    wrong.backward = wrong_backward;

    puts("The ops on their samples:");
    bool good = passes(&snake_op);
    good = passes(&sine_op) && passes(&cosine_op) && good;
    puts("\nA snake whose gradient forgets the chain rule, which the check must reject:");
    good = !passes(&wrong) && good;
    puts("\nA network of the layer and the ops, fitted to sin(3x) + x/2:");
    good = learns(naive ? BP_NAIVE : BP_PLANNED) && good;
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
