/* The mnist example as a user runs it, on folders of IDX files made from the digits. The other
 * examples are run as they are by their own list. Skipped where the examples are not built. */
#include <backprop.h>
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "suite.h"

enum { SKIPPED = 77, PIXELS = 64 };

static char program[4096], folder[64];

/* ---- a folder of IDX files ------------------------------------------------------------------- */

static void write_gzip(const char *name, const unsigned char *bytes, size_t count) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    gzFile file = gzopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, bytes, (unsigned)count), (int)count);
    ck_assert_int_eq(gzclose(file), Z_OK);
}

static void write_size(unsigned char *at, int64_t size) {
    for (int k = 0; k < 4; k++)
        at[k] = (unsigned char)(size >> 8 * (3 - k));
}

/* Writes the digits k with (k % 5 == 4) == held as images and labels of `part`. */
static void write_part(const bp_dataset *data, const char *part, bool held) {
    static unsigned char images[16 + 1797 * PIXELS] = {0, 0, 8, 3}, labels[8 + 1797] = {0, 0, 8, 1};
    int64_t count = 0;
    for (int64_t k = 0; k < data->count; k++) {
        if ((k % 5 == 4) != held)
            continue;
        for (int i = 0; i < PIXELS; i++)
            images[16 + count * PIXELS + i] = (unsigned char)(data->inputs[k * PIXELS + i] * 255);
        labels[8 + count++] = (unsigned char)data->labels[k];
    }
    write_size(images + 4, count);
    write_size(images + 8, 8);
    write_size(images + 12, 8);
    write_size(labels + 4, count);
    char name[64];
    snprintf(name, sizeof name, "%s-images-idx3-ubyte.gz", part);
    write_gzip(name, images, (size_t)(16 + count * PIXELS));
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte.gz", part);
    write_gzip(name, labels, (size_t)(8 + count));
}

static void make_folder(void) {
    strcpy(folder, "test_examples.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    bp_dataset data;
    ck_assert_int_eq(bp_digits(&data, NULL), BP_OK);
    write_part(&data, "train", false);
    write_part(&data, "t10k", true);
    bp_dataset_free(&data);
}

static void remove_folder(void) {
    static const char *const names[] = {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
                                        "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"};
    char path[160];
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[k]);
        remove(path);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}

/* ---- running the program --------------------------------------------------------------------- */

static char output[1 << 16];

/* Runs mnist with these arguments; what it prints, on either stream, is in `output`. */
static int run(const char *format, ...) BP_FORMAT(1, 2);
static int run(const char *format, ...) {
    char arguments[1024], command[8192];
    va_list args;
    va_start(args, format);
    vsnprintf(arguments, sizeof arguments, format, args);
    va_end(args);
    snprintf(command, sizeof command, "\"%s\" %s 2>&1", program, arguments);
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    output[fread(output, 1, sizeof output - 1, pipe)] = '\0';
    int status = pclose(pipe);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The number behind the last occurrence of a word in the output. */
static double number_after(const char *word) {
    const char *last = NULL;
    for (const char *at = output; (at = strstr(at, word)); at++)
        last = at;
    ck_assert_msg(last != NULL, "no \"%s\" in:\n%s", word, output);
    return atof(last + strlen(word));
}

static void assert_says(const char *words) {
    ck_assert_msg(strstr(output, words) != NULL, "no \"%s\" in:\n%s", words, output);
}

/* ---- tests ----------------------------------------------------------------------------------- */

START_TEST(a_sigmoid_network_learns_the_digits) {
    int code = run("--data %s --layers 64,30,10 --epochs 8", folder);
    ck_assert_msg(code == 0, "%s", output);
    ck_assert_msg(number_after("test accuracy ") >= 0.93, "%s", output);
    assert_says("1438 images to learn from and 359 to test on");
    assert_says("epoch 8/8  mean loss");
    assert_says("Confusion matrix");
}
END_TEST

START_TEST(a_relu_network_learns_the_digits_with_adam) {
    int code = run("--data %s --layers 64,30,20,10 --activation relu --loss cross_entropy "
                   "--optimizer adam --rate 0.003 --batch 16 --epochs 8",
                   folder);
    ck_assert_msg(code == 0, "%s", output);
    ck_assert_msg(number_after("test accuracy ") >= 0.93, "%s", output);
}
END_TEST

START_TEST(the_three_gradients_agree_for_every_kind_of_network) {
    static const char *const activations[] = {"sigmoid", "tanh", "relu"};
    static const char *const losses[] = {"squared_error", "mse", "cross_entropy"};
    int code = run("--data %s --layers 64,12,11,10 --epochs 1 --limit 100 --rate 0.01 --check "
                   "--activation %s --loss %s",
                   folder, activations[_i / 3], losses[_i % 3]);
    ck_assert_msg(code == 0, "%s", output);
    assert_says("All agree.");
    assert_says("layer1.weight  [64,12]");
    assert_says("layer3.bias    [10]");
}
END_TEST

START_TEST(planned_and_naive_training_end_alike) {
    double accuracy[2], loss[2];
    for (int naive = 0; naive < 2; naive++) {
        int code = run("--data %s --layers 64,16,10 --epochs 1 --limit 300 --optimizer momentum "
                       "--batch 3 %s",
                       folder, naive ? "--naive" : "");
        ck_assert_msg(code == 0, "%s", output);
        accuracy[naive] = number_after("test accuracy ");
        loss[naive] = number_after("mean loss ");
    }
    ck_assert_double_eq_tol(accuracy[0], accuracy[1], 0.01);
    ck_assert_double_eq_tol(loss[0], loss[1], 0.002);
}
END_TEST

START_TEST(the_seed_decides_the_result) {
    double loss[3];
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(run("--data %s --layers 64,16,10 --epochs 1 --limit 300 --seed %d", folder,
                             k == 2 ? 8 : 7),
                         0);
        loss[k] = number_after("mean loss ");
    }
    ck_assert(loss[0] == loss[1] && loss[0] != loss[2]);
}
END_TEST

START_TEST(progress_is_a_few_plain_lines_when_nobody_watches) {
    ck_assert_int_eq(run("--data %s --layers 64,16,10 --epochs 2", folder), 0);
    assert_says("epoch 1/2  step 719/1438  loss");
    assert_says("images/s");
    ck_assert_ptr_null(strchr(output, '\r'));
    int lines = 0;
    for (const char *at = output; (at = strstr(at, "\nepoch")); at++)
        lines++;
    ck_assert_int_eq(lines, 2 * 5);
}
END_TEST

START_TEST(mistakes_are_explained) {
    ck_assert_int_eq(run("--data %s", folder), 1);
    assert_says("images of 8x8 pixels in 10 classes need --layers 64,..,10");
    ck_assert_int_eq(run("--data %s/nowhere", folder), 1);
    assert_says("nowhere\" has no readable file train-images-idx3-ubyte");
    ck_assert_int_eq(run("--data %s --layers 64,10 --rate 1e305", folder), 1);
    assert_says("learning rate");
    ck_assert_int_eq(run("--data %s --layers 64,9,10 --rate 1e30 --activation relu", folder), 1);
    assert_says("try a smaller --rate");
    ck_assert_int_eq(run("--activation swish"), 2);
    assert_says("cannot use \"--activation\"");
    ck_assert_int_eq(run("--epochs"), 2);
    ck_assert_int_eq(run("--layers 64"), 2);
    ck_assert_int_eq(run("--layers 64,,10"), 2);
    ck_assert_int_eq(run("--rate -1"), 2);
}
END_TEST

int main(int argc, char **argv) {
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    int length = slash ? (int)(slash - argv[0]) : 1;
    snprintf(program, sizeof program, "%.*s/../examples/mnist", length, slash ? argv[0] : ".");
    if (access(program, X_OK) != 0)
        return SKIPPED;
    Suite *suite = suite_create("examples");
    TCase *mnist = tcase_create("mnist");
    tcase_set_timeout(mnist, 60);
    tcase_add_checked_fixture(mnist, make_folder, remove_folder);
    tcase_add_test(mnist, a_sigmoid_network_learns_the_digits);
    tcase_add_test(mnist, a_relu_network_learns_the_digits_with_adam);
    tcase_add_loop_test(mnist, the_three_gradients_agree_for_every_kind_of_network, 0, 9);
    tcase_add_test(mnist, planned_and_naive_training_end_alike);
    tcase_add_test(mnist, the_seed_decides_the_result);
    tcase_add_test(mnist, progress_is_a_few_plain_lines_when_nobody_watches);
    tcase_add_test(mnist, mistakes_are_explained);
    suite_add_tcase(suite, mnist);
    return run_suite(suite);
}
