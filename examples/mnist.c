/* Trains a fully connected network on images in IDX files: MNIST, Fashion-MNIST and the like.
 *
 *     mnist --data DIR                          784-100-10 sigmoid, E = ½ Σ e², one image a step
 *     mnist --layers 784,128,10 --activation relu --loss cross_entropy --optimizer adam --batch 64
 *     mnist --check                             and prove the gradients of this very network
 *
 * `mnist --help` lists the options. Progress is one changing line on a terminal, a few plain lines
 * elsewhere. */
#include <backprop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mnist_check.h"

enum { MOST_LAYERS = 16, MOST_CLASSES = 100, TEST_BATCH = 500, CHECK_BATCH = 4 };
enum { SGD, MOMENTUM, ADAM };

#define FASHION "/usr/share/datasets/fashion-mnist" /* of Debian's dataset-fashion-mnist */

typedef struct options {
    const char *data;
    int64_t size[MOST_LAYERS]; /* inputs, hidden units, ..., classes */
    int layers;                /* how many sizes */
    int activation, loss, optimizer;
    double rate;
    int64_t batch, epochs, limit; /* limit 0: none */
    uint64_t seed;
    bool naive, check;
} options;

/* The network recorded for one number of images: inputs, targets, outputs, loss. */
typedef struct network {
    bp_graph *graph;
    bp_tensor *x, *t, *y, *loss;
} network;

static const char *const class_names[2][10] = {
    {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
    {"top", "trous", "pullo", "dress", "coat", "sandal", "shirt", "sneak", "bag", "boot"},
};

/* ---- options --------------------------------------------------------------------------------- */

static const char usage[] =
    "usage: mnist [options]\n"
    "  --data DIR           folder of IDX files, plain or .gz; else BP_DATA; else Fashion-MNIST "
    "as\n"
    "                       Debian's package dataset-fashion-mnist installs it\n"
    "  --layers 784,100,10  sizes: inputs, hidden layers, classes\n"
    "  --activation NAME    sigmoid, tanh or relu                    (sigmoid)\n"
    "  --loss NAME          squared_error, mse or cross_entropy      (squared_error)\n"
    "  --optimizer NAME     sgd, momentum or adam                    (sgd)\n"
    "  --rate R             learning rate                            (0.1; momentum 0.01; adam "
    "0.001)\n"
    "  --batch N            images a step                            (1)\n"
    "  --epochs N           times through the images                 (5)\n"
    "  --limit N            only the first N images\n"
    "  --seed N             of the initial weights and the order     (1)\n"
    "  --naive              one op at a time, with reference kernels\n"
    "  --check              then compare the gradients three ways";

/* Finds a word in a list that NULL ends; -1 when it is not there. */
static int find(const char *word, const char *const *list) {
    for (int k = 0; list[k]; k++)
        if (strcmp(word, list[k]) == 0)
            return k;
    return -1;
}

static bool read_layers(options *o, const char *text) {
    char *end;
    for (o->layers = 0; o->layers < MOST_LAYERS; text = end + 1) {
        int64_t size = strtoll(text, &end, 10);
        if (size < 1 || (*end != ',' && *end != '\0'))
            return false;
        o->size[o->layers++] = size;
        if (*end == '\0')
            return o->layers >= 2 && size <= MOST_CLASSES;
    }
    return false;
}

static bool take_option(options *o, const char *name, const char *value) {
    static const char *const activations[] = {"sigmoid", "tanh", "relu", NULL};
    static const char *const losses[] = {"squared_error", "mse", "cross_entropy", NULL};
    static const char *const optimizers[] = {"sgd", "momentum", "adam", NULL};
    if (strcmp(name, "--data") == 0)
        return (o->data = value) != NULL;
    if (strcmp(name, "--layers") == 0)
        return read_layers(o, value);
    if (strcmp(name, "--activation") == 0)
        return (o->activation = find(value, activations)) >= 0;
    if (strcmp(name, "--loss") == 0)
        return (o->loss = find(value, losses)) >= 0;
    if (strcmp(name, "--optimizer") == 0)
        return (o->optimizer = find(value, optimizers)) >= 0;
    if (strcmp(name, "--rate") == 0)
        return (o->rate = atof(value)) > 0;
    if (strcmp(name, "--batch") == 0)
        return (o->batch = atoll(value)) > 0;
    if (strcmp(name, "--epochs") == 0)
        return (o->epochs = atoll(value)) > 0;
    if (strcmp(name, "--limit") == 0)
        return (o->limit = atoll(value)) > 0;
    if (strcmp(name, "--seed") == 0)
        return o->seed = strtoull(value, NULL, 10), true;
    return false;
}

/* Returns what main returns: -1 to go on. */
static int read_options(options *o, int argc, char **argv) {
    static const double rates[] = {0.1, 0.01, 0.001};
    for (int k = 1; k < argc; k++) {
        if (strcmp(argv[k], "--help") == 0)
            return puts(usage), EXIT_SUCCESS;
        if (strcmp(argv[k], "--naive") == 0)
            o->naive = true;
        else if (strcmp(argv[k], "--check") == 0)
            o->check = true;
        else if (k + 1 < argc && take_option(o, argv[k], argv[k + 1]))
            k++;
        else
            return fprintf(stderr, "mnist: cannot use \"%s\"\n%s\n", argv[k], usage), 2;
    }
    if (o->rate == 0)
        o->rate = rates[o->optimizer];
    if (!o->data)
        o->data = getenv("BP_DATA") ? getenv("BP_DATA") : FASHION;
    return -1;
}

static void *allocate(int64_t count, size_t size) {
    void *memory = calloc((size_t)count, size);
    if (memory)
        return memory;
    fputs("mnist: out of memory\n", stderr);
    exit(EXIT_FAILURE);
}

/* ---- data ------------------------------------------------------------------------------------ */

static bool read_part(const options *o, const char *part, bp_dataset *data) {
    bp_failure why;
    if (bp_mnist_read(o->data, part, data, &why) != BP_OK) {
        fprintf(stderr, "mnist: %s\n", why.text);
        if (strcmp(o->data, FASHION) == 0)
            fputs("       Install dataset-fashion-mnist, or name a folder with --data.\n", stderr);
        return false;
    }
    if (data->features != o->size[0] || data->classes > o->size[o->layers - 1]) {
        fprintf(stderr,
                "mnist: images of %lldx%lld pixels in %lld classes need --layers %lld,..,%lld\n",
                (long long)data->height, (long long)data->width, (long long)data->classes,
                (long long)data->features, (long long)data->classes);
        return false;
    }
    if (o->limit > 0 && o->limit < data->count)
        data->count = o->limit;
    /* Sigmoids learn from small positive inputs better than from zeros, which leave weights
     * alone. */
    if (o->loss != CROSS_ENTROPY)
        for (int64_t k = 0; k < data->count * data->features; k++)
            data->inputs[k] = 0.01f + 0.99f * data->inputs[k];
    return true;
}

/* Copies the images `rows`, and targets: 1 for the right class, else 0; squashing outputs aim a
 * little inside their range, which they reach at infinity only. */
static void take_batch(const options *o, const bp_dataset *data, const int64_t *rows, int64_t count,
                       float *x, float *t) {
    int64_t classes = o->size[o->layers - 1];
    float high = o->loss == CROSS_ENTROPY ? 1 : 0.99f;
    float low = o->loss == CROSS_ENTROPY ? 0 : o->activation == TANH ? -0.99f : 0.01f;
    bp_take_rows(data->inputs, (size_t)data->features * sizeof *x, rows, count, x);
    for (int64_t k = 0; k < count; k++)
        for (int64_t c = 0; c < classes; c++)
            t[k * classes + c] = c == data->labels[rows[k]] ? high : low;
}

/* ---- the network ----------------------------------------------------------------------------- */

static bp_tensor *activate(bp_tensor *z, int activation) {
    return activation == SIGMOID ? bp_sigmoid(z) : activation == TANH ? bp_tanh(z) : bp_relu(z);
}

static network record(bp_model *model, const options *o, bp_dtype dtype, int64_t batch) {
    network n = {.graph = bp_graph_new(model)};
    bp_init init = o->activation == RELU ? bp_init_he() : bp_init_xavier();
    n.x = n.y = bp_input(n.graph, "x", dtype, BP_SHAPE(batch, o->size[0]));
    n.t = bp_input(n.graph, "t", dtype, BP_SHAPE(batch, o->size[o->layers - 1]));
    for (int k = 1; k < o->layers; k++) {
        char name[32];
        snprintf(name, sizeof name, "layer%d", k);
        n.y = bp_linear_with(n.y, name, o->size[k], init, true);
        if (k < o->layers - 1 || !linear_output(o->activation, o->loss))
            n.y = activate(n.y, o->activation);
    }
    n.loss = o->loss == SQUARED_ERROR ? bp_squared_error(n.y, n.t)
             : o->loss == MSE         ? bp_mse(n.y, n.t)
                                      : bp_cross_entropy(n.y, n.t);
    bp_set_executor(n.graph, o->naive ? BP_NAIVE : BP_PLANNED);
    return n;
}

static bp_optimizer *make_optimizer(bp_model *model, const options *o) {
    if (o->optimizer == ADAM) {
        bp_adam_config config = bp_adam_defaults();
        config.lr = o->rate;
        return bp_adam(model, &config);
    }
    bp_sgd_config config = bp_sgd_defaults();
    config.lr = o->rate;
    config.momentum = o->optimizer == MOMENTUM ? 0.9 : 0;
    return bp_sgd(model, &config);
}

/* ---- progress -------------------------------------------------------------------------------- */

typedef struct progress {
    bool terminal;
    double start, shown; /* seconds */
    int64_t images, all; /* so far, and of all epochs */
} progress;

static double seconds(void) {
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Ten times a second on a terminal; elsewhere four times an epoch. */
static void show(progress *p, const options *o, int64_t epoch, int64_t step, int64_t steps,
                 double loss) {
    double now = seconds();
    bool due = p->terminal ? now - p->shown > 0.1 || step == steps
                           : step * 4 / steps != (step - 1) * 4 / steps;
    if (!due)
        return;
    p->shown = now;
    double speed = (double)p->images / (now - p->start + 1e-9);
    int left = (int)((double)(p->all - p->images) / speed);
    printf("%sepoch %lld/%lld  step %lld/%lld  loss %.4f  %.0f images/s  %d:%02d left%s",
           p->terminal ? "\r" : "", (long long)epoch, (long long)o->epochs, (long long)step,
           (long long)steps, loss, speed, left / 60, left % 60, p->terminal ? "   " : "\n");
    fflush(stdout);
}

/* ---- training and testing -------------------------------------------------------------------- */

/* Trains one epoch; returns the mean loss of a step, or -1 when a step fails. */
static double train(const options *o, network *n, bp_optimizer *optimizer, const bp_dataset *data,
                    bp_batches *batches, int64_t epoch, progress *p) {
    int64_t batch = o->batch, steps = data->count / batch, step = 0, count;
    float *x = allocate(batch * o->size[0], sizeof *x);
    float *t = allocate(batch * o->size[o->layers - 1], sizeof *t);
    double sum = 0, smooth = 0;
    const int64_t *rows;
    while ((rows = bp_batches_next(batches, &count))) {
        take_batch(o, data, rows, count, x, t);
        bp_write(n->x, x);
        bp_write(n->t, t);
        if (bp_step(optimizer, n->loss) != BP_OK)
            break;
        double loss = bp_item(n->loss);
        sum += loss;
        smooth =
            step == 0 ? loss : smooth + (loss - smooth) / (step < 200 ? (double)step + 1 : 200);
        p->images += count;
        show(p, o, epoch, ++step, steps, smooth);
    }
    free(x);
    free(t);
    return rows ? -1 : sum / (double)steps;
}

/* Counts predictions, counts[right class][predicted class]; returns the share of right ones. */
static double test(const options *o, network *n, const bp_dataset *data,
                   int64_t counts[MOST_CLASSES][MOST_CLASSES]) {
    int64_t classes = o->size[o->layers - 1], right = 0, rows[TEST_BATCH];
    float *x = allocate(TEST_BATCH * o->size[0], sizeof *x);
    float *t = allocate(TEST_BATCH * classes, sizeof *t);
    memset(counts, 0, sizeof(int64_t[MOST_CLASSES][MOST_CLASSES]));
    for (int64_t first = 0; first < data->count; first += TEST_BATCH) {
        for (int64_t k = 0; k < TEST_BATCH; k++) /* the last batch is filled up by its last image */
            rows[k] = first + k < data->count ? first + k : data->count - 1;
        take_batch(o, data, rows, TEST_BATCH, x, t);
        bp_write(n->x, x);
        const float *y = bp_f32(n->y);
        for (int64_t k = 0; y && k < TEST_BATCH && first + k < data->count; k++) {
            int64_t best = 0;
            for (int64_t c = 1; c < classes; c++)
                best = y[k * classes + c] > y[k * classes + best] ? c : best;
            counts[data->labels[first + k]][best]++;
            right += best == data->labels[first + k];
        }
    }
    free(x);
    free(t);
    return (double)right / (double)data->count;
}

/* Whether the compiled plan and one op at a time give the same loss, on the first images. */
static bool plan_agrees(const options *o, network *n, const bp_dataset *data) {
    int64_t *rows = allocate(o->batch, sizeof *rows);
    float *x = allocate(o->batch * o->size[0], sizeof *x);
    float *t = allocate(o->batch * o->size[o->layers - 1], sizeof *t);
    for (int64_t k = 0; k < o->batch; k++)
        rows[k] = k;
    take_batch(o, data, rows, o->batch, x, t);
    bp_write(n->x, x);
    bp_write(n->t, t);
    bp_check_report report;
    bp_status status = bp_check_plan(&n->loss, 1, &report);
    if (status != BP_OK)
        fprintf(stderr, "mnist: %s\n", report.text);
    free(rows), free(x), free(t);
    return status == BP_OK;
}

static void print_confusion(int64_t classes, const char *const *names,
                            int64_t counts[MOST_CLASSES][MOST_CLASSES]) {
    printf("\nConfusion matrix: rows are the right classes, columns the predictions.\n       ");
    for (int64_t c = 0; c < classes; c++)
        printf("%7s", names[c]);
    printf("   right\n");
    for (int64_t r = 0; r < classes; r++) {
        int64_t all = 0;
        printf("%7s", names[r]);
        for (int64_t c = 0; c < classes; c++) {
            printf("%7lld", (long long)counts[r][c]);
            all += counts[r][c];
        }
        printf("  %5.1f%%\n", all ? 100.0 * (double)counts[r][r] / (double)all : 0);
    }
}

/* What went wrong, in words; NULL when nothing did. */
static const char *failure(bp_model *model, const network *n, const network *testing,
                           const bp_optimizer *optimizer, double loss) {
    return !optimizer                  ? bp_model_error(model)
           : bp_failed(n->graph)       ? bp_error(n->graph)
           : bp_failed(testing->graph) ? bp_error(testing->graph)
           : loss != loss              ? "the loss is no number any more; try a smaller --rate"
                                       : NULL;
}

static bool run(const options *o, bp_model *model, const bp_dataset *images,
                const bp_dataset *tests) {
    static int64_t counts[MOST_CLASSES][MOST_CLASSES];
    network n = record(model, o, BP_F32, o->batch), testing = record(model, o, BP_F32, TEST_BATCH);
    bp_optimizer *optimizer = make_optimizer(model, o);
    bp_batches *batches = bp_batches_new(images->count, o->batch, o->seed, true);
    progress p = {.terminal = isatty(STDOUT_FILENO), .start = seconds()};
    p.all = o->epochs * (images->count / o->batch * o->batch);
    const char *why = failure(model, &n, &testing, optimizer, 0);
    bool ok = !why && batches && plan_agrees(o, &n, images);
    for (int64_t epoch = 1; ok && epoch <= o->epochs; epoch++) {
        double loss = train(o, &n, optimizer, images, batches, epoch, &p);
        double accuracy = test(o, &testing, tests, counts);
        why = failure(model, &n, &testing, optimizer, loss);
        ok = !why;
        printf("%sepoch %lld/%lld  mean loss %.4f  test accuracy %.4f  %.1f s%s\n",
               p.terminal ? "\r" : "", (long long)epoch, (long long)o->epochs, loss, accuracy,
               seconds() - p.start, p.terminal ? "                         " : "");
    }
    int64_t classes = o->size[o->layers - 1];
    if (ok && classes == 10)
        print_confusion(classes, class_names[strstr(o->data, "fashion") != NULL], counts);
    if (why)
        fprintf(stderr, "mnist: %s\n", why);
    bp_batches_free(batches);
    bp_graph_free(testing.graph);
    bp_graph_free(n.graph);
    return ok;
}

/* ---- the gradients of this network, three ways ----------------------------------------------- */

static double *widen(const float *values, int64_t count) {
    double *exact = allocate(count, sizeof *exact);
    for (int64_t k = 0; k < count; k++)
        exact[k] = values[k];
    return exact;
}

/* Copies a parameter of the trained model into one in f64, and returns the copy. */
static double *copy_parameter(bp_model *trained, bp_model *exact, const char *name, int64_t count) {
    float *values = allocate(count, sizeof *values);
    bp_model_read(trained, name, values, (size_t)count * sizeof *values);
    double *copy = widen(values, count);
    bp_model_write(exact, name, copy, (size_t)count * sizeof *copy);
    free(values);
    return copy;
}

static layer make_layer(bp_model *trained, bp_model *exact, const options *o, int k) {
    layer l = {.in = o->size[k], .out = o->size[k + 1]};
    snprintf(l.weight, sizeof l.weight, "layer%d.weight", k + 1);
    snprintf(l.bias, sizeof l.bias, "layer%d.bias", k + 1);
    l.w = copy_parameter(trained, exact, l.weight, l.in * l.out);
    l.b = copy_parameter(trained, exact, l.bias, l.out);
    l.a = allocate(CHECK_BATCH * l.out, sizeof *l.a);
    l.delta = allocate(CHECK_BATCH * l.out, sizeof *l.delta);
    l.gw = allocate(l.in * l.out, sizeof *l.gw);
    l.gb = allocate(l.out, sizeof *l.gb);
    return l;
}

static void free_layer(layer *l) {
    double *arrays[] = {l->w, l->b, l->a, l->delta, l->gw, l->gb};
    for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++)
        free(arrays[k]);
}

/* The trained network in f64, on a few test images. */
static bool check(const options *o, bp_model *trained, const bp_dataset *data) {
    bp_model *exact = bp_model_new();
    network n = record(exact, o, BP_F64, CHECK_BATCH);
    int64_t rows[CHECK_BATCH], inputs = CHECK_BATCH * o->size[0];
    int64_t outputs = CHECK_BATCH * o->size[o->layers - 1];
    for (int64_t k = 0; k < CHECK_BATCH; k++)
        rows[k] = k % data->count;
    float *x = allocate(inputs, sizeof *x), *t = allocate(outputs, sizeof *t);
    take_batch(o, data, rows, CHECK_BATCH, x, t);
    double *wide_x = widen(x, inputs), *wide_t = widen(t, outputs);
    bp_write(n.x, wide_x);
    bp_write(n.t, wide_t);

    layer layers[MOST_LAYERS];
    for (int k = 0; k < o->layers - 1; k++)
        layers[k] = make_layer(trained, exact, o, k);
    problem p = {o->activation, o->loss, CHECK_BATCH, wide_x, wide_t};
    printf("\nThe gradients of this network on %d test images, in f64, three ways:\n\n",
           CHECK_BATCH);
    bool same = three_ways(exact, n.loss, layers, o->layers - 1, &p);
    if (bp_failed(n.graph))
        fprintf(stderr, "mnist: %s\n", bp_error(n.graph));
    else
        printf("\n%s\n", same ? "All agree." : "They do not agree.");

    for (int k = 0; k < o->layers - 1; k++)
        free_layer(&layers[k]);
    free(x), free(t), free(wide_x), free(wide_t);
    bp_graph_free(n.graph);
    bp_model_free(exact);
    return same;
}

int main(int argc, char **argv) {
    options o = {.size = {784, 100, 10}, .layers = 3, .batch = 1, .epochs = 5, .seed = 1};
    int result = read_options(&o, argc, argv);
    if (result >= 0)
        return result;
    bp_dataset images = {0}, tests = {0};
    if (!read_part(&o, "train", &images) || !read_part(&o, "t10k", &tests))
        return EXIT_FAILURE;
    if (o.batch > images.count)
        o.batch = images.count;
    printf("%lld images to learn from and %lld to test on, from %s\n", (long long)images.count,
           (long long)tests.count, o.data);
    bp_model *model = bp_model_new();
    bp_seed(model, o.seed);
    bool ok = run(&o, model, &images, &tests) && (!o.check || check(&o, model, &tests));
    bp_model_free(model);
    bp_dataset_free(&images);
    bp_dataset_free(&tests);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
