/* Data sets: IDX files right and wrong, folders in the layout of MNIST, the digits. */
#include <backprop.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "memory.h"
#include "suite.h"

/* ---- files of our own ------------------------------------------------------------------------ */

static char folder[64];

static void make_folder(void) {
    strcpy(folder, "test_data.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void) {
    static const char *const names[] = {"a",
                                        "a.gz",
                                        "train-images-idx3-ubyte",
                                        "train-labels-idx1-ubyte",
                                        "train-images-idx3-ubyte.gz",
                                        "train-labels-idx1-ubyte.gz"};
    char path[160];
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[k]);
        remove(path);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}

static const char *in_folder(const char *name) {
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *write_file(const char *name, const void *bytes, size_t count) {
    const char *path = in_folder(name);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, count, file), count);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

/* Writes gzip data; `mode` "wb", or "ab" to append one more member. */
static const char *write_packed(const char *name, const char *mode, const void *bytes,
                                size_t count) {
    const char *path = in_folder(name);
    gzFile file = gzopen(path, mode);
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, bytes, (unsigned)count), (int)count);
    ck_assert_int_eq(gzclose(file), Z_OK);
    return path;
}

static size_t read_back(const char *path, unsigned char *bytes, size_t room) {
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size_t count = fread(bytes, 1, room, file);
    fclose(file);
    return count;
}

static bp_idx read_good(const char *path) {
    bp_idx idx;
    bp_failure why;
    bp_status status = bp_idx_read(path, &idx, &why);
    ck_assert_msg(status == BP_OK, "%s", why.text);
    ck_assert_int_eq(why.status, BP_OK);
    return idx;
}

/* Reading must fail with this status, say these words and the path, and leave nothing behind. */
static void read_bad(const char *path, bp_status expected, const char *words) {
    bp_idx idx;
    memset(&idx, 0xAA, sizeof idx);
    bp_failure why;
    memset(&why, 0xAA, sizeof why);
    bp_status status = bp_idx_read(path, &idx, &why);
    ck_assert_msg(status == expected, "status %d: %s", (int)status, why.text);
    ck_assert_int_eq(why.status, expected);
    ck_assert_msg(strstr(why.text, words) && strstr(why.text, path), "no \"%s\" in: %s", words,
                  why.text);
    ck_assert_ptr_null(idx.data);
    ck_assert_int_eq(idx.type.shape.rank, 0);
    ck_assert_int_eq(bp_idx_read(path, &idx, NULL), expected);
}

static const unsigned char small[] = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 253, 254, 255};

static void assert_small(const bp_idx *idx) {
    ck_assert_int_eq(idx->type.dtype, BP_U8);
    ck_assert(bp_shape_equal(idx->type.shape, BP_SHAPE(2, 3)));
    ck_assert_mem_eq(idx->data, small + 12, 6);
}

/* ---- IDX: what is right ---------------------------------------------------------------------- */

START_TEST(every_element_type_is_read) {
    bp_idx idx = read_good(write_file("a", small, sizeof small));
    assert_small(&idx);
    bp_idx_free(&idx);
    ck_assert_ptr_null(idx.data);

    const unsigned char i8[] = {0, 0, 9, 1, 0, 0, 0, 4, 0, 127, 128, 255};
    idx = read_good(write_file("a", i8, sizeof i8));
    ck_assert_int_eq(idx.type.dtype, BP_I32);
    ck_assert_mem_eq(idx.data, ((int32_t[]){0, 127, -128, -1}), 16);
    bp_idx_free(&idx);

    const unsigned char i16[] = {0, 0, 0x0B, 1, 0, 0, 0, 4, 1, 2, 0x7F, 0xFF, 0x80, 0, 0xFF, 0xFE};
    idx = read_good(write_file("a", i16, sizeof i16));
    ck_assert_int_eq(idx.type.dtype, BP_I32);
    ck_assert_mem_eq(idx.data, ((int32_t[]){258, 32767, -32768, -2}), 16);
    bp_idx_free(&idx);

    const unsigned char i32[] = {0, 0, 0x0C, 1, 0, 0, 0, 2, 1, 2, 3, 4, 0x80, 0, 0, 0};
    idx = read_good(write_file("a", i32, sizeof i32));
    ck_assert_int_eq(idx.type.dtype, BP_I32);
    ck_assert_mem_eq(idx.data, ((int32_t[]){0x01020304, INT32_MIN}), 8);
    bp_idx_free(&idx);

    const unsigned char f32[] = {0, 0, 0x0D, 1, 0, 0, 0, 2, 0x3F, 0xC0, 0, 0, 0xC0, 0x20, 0, 0};
    idx = read_good(write_file("a", f32, sizeof f32));
    ck_assert_int_eq(idx.type.dtype, BP_F32);
    ck_assert_mem_eq(idx.data, ((float[]){1.5f, -2.5f}), 8);
    bp_idx_free(&idx);

    const unsigned char f64[] = {0, 0, 0x0E, 1, 0, 0, 0, 1, 0xBF, 0xF8, 0, 0, 0, 0, 0, 0};
    idx = read_good(write_file("a", f64, sizeof f64));
    ck_assert_int_eq(idx.type.dtype, BP_F64);
    ck_assert_mem_eq(idx.data, ((double[]){-1.5}), 8);
    bp_idx_free(&idx);
}
END_TEST

START_TEST(elements_beyond_one_piece_are_in_order) {
    enum { N = 70001 };
    unsigned char *bytes = malloc(8 + 2 * N);
    memcpy(bytes, ((unsigned char[]){0, 0, 0x0B, 1, 0, N >> 16, N >> 8 & 255, N & 255}), 8);
    for (int k = 0; k < N; k++) {
        bytes[8 + 2 * k] = (unsigned char)(k % 32768 >> 8);
        bytes[9 + 2 * k] = (unsigned char)k;
    }
    bp_idx plain = read_good(write_file("a", bytes, 8 + 2 * N));
    bp_idx packed = read_good(write_packed("a.gz", "wb", bytes, 8 + 2 * N));
    for (int k = 0; k < N; k++)
        ck_assert_int_eq(((int32_t *)plain.data)[k], k % 32768);
    ck_assert_mem_eq(plain.data, packed.data, 4 * N);
    bp_idx_free(&plain);
    bp_idx_free(&packed);
    free(bytes);
}
END_TEST

START_TEST(ranks_from_none_to_eight_and_sizes_of_zero_are_read) {
    const unsigned char scalar[] = {0, 0, 8, 0, 42};
    bp_idx idx = read_good(write_file("a", scalar, sizeof scalar));
    ck_assert_int_eq(idx.type.shape.rank, 0);
    ck_assert_int_eq(*(unsigned char *)idx.data, 42);
    bp_idx_free(&idx);

    unsigned char eight[4 + 32 + 6] = {0, 0, 8, 8};
    for (int k = 0; k < 8; k++)
        eight[4 + 4 * k + 3] = k == 2 ? 3 : k == 7 ? 2 : 1;
    eight[41] = 9;
    idx = read_good(write_file("a", eight, sizeof eight));
    ck_assert(bp_shape_equal(idx.type.shape, BP_SHAPE(1, 1, 3, 1, 1, 1, 1, 2)));
    ck_assert_int_eq(((unsigned char *)idx.data)[5], 9);
    bp_idx_free(&idx);

    const unsigned char none[] = {0, 0, 0x0E, 2, 0, 0, 0, 0, 255, 255, 255, 255};
    idx = read_good(write_file("a", none, sizeof none));
    ck_assert(bp_shape_equal(idx.type.shape, BP_SHAPE(0, 4294967295)));
    bp_idx_free(&idx);
}
END_TEST

START_TEST(gzip_is_told_by_content_and_may_have_several_members) {
    bp_idx idx = read_good(write_packed("a.gz", "wb", small, sizeof small));
    assert_small(&idx);
    bp_idx_free(&idx);
    idx = read_good(write_packed("a", "wb", small, sizeof small));
    assert_small(&idx);
    bp_idx_free(&idx);
    idx = read_good(write_file("a.gz", small, sizeof small));
    assert_small(&idx);
    bp_idx_free(&idx);
    write_packed("a", "wb", small, 5);
    idx = read_good(write_packed("a", "ab", small + 5, sizeof small - 5));
    assert_small(&idx);
    bp_idx_free(&idx);
}
END_TEST

/* ---- IDX: what is wrong ---------------------------------------------------------------------- */

START_TEST(files_that_cannot_be_read_say_why) {
    read_bad(in_folder("absent"), BP_ERR_FILE, "check the path");
    read_bad(folder, BP_ERR_FILE, "a file in it");
    read_bad(write_file("a", "", 0), BP_ERR_FORMAT, "empty");
    bp_idx idx;
    bp_failure why;
    ck_assert_int_eq(bp_idx_read(NULL, &idx, &why), BP_ERR_ARGUMENT);
    ck_assert_int_eq(bp_idx_read("a", NULL, &why), BP_ERR_ARGUMENT);
    bp_idx_free(NULL);
}
END_TEST

START_TEST(files_of_other_formats_are_refused) {
    read_bad(write_file("a", "<!DOCTYPE html>", 15), BP_ERR_FORMAT, "not an IDX file");
    read_bad(write_file("a", "PK\3\4aaaaaaaaa", 13), BP_ERR_FORMAT, "not an IDX file");
    read_bad(write_file("a", "ab", 2), BP_ERR_FORMAT, "not an IDX file");
    read_bad(write_file("a", "\0\0\x0A\1\0\0\0\0", 8), BP_ERR_FORMAT, "00 00 0a 01");
    read_bad(write_file("a", "\0\1\x08\1\0\0\0\0", 8), BP_ERR_FORMAT, "not an IDX file");
    read_bad(write_file("a", "\0\0\x08\x09\0\0\0\0", 8), BP_ERR_FORMAT, "9 dimensions");
    read_bad(write_packed("a.gz", "wb", "some text", 9), BP_ERR_FORMAT, "not an IDX file");
}
END_TEST

START_TEST(a_file_cut_off_anywhere_is_refused) {
    for (size_t length = 1; length < sizeof small; length++)
        read_bad(write_file("a", small, length), BP_ERR_FORMAT,
                 length < 4 ? "not an IDX" : "get it again");
    unsigned char packed[200];
    size_t full = read_back(write_packed("a.gz", "wb", small, sizeof small), packed, sizeof packed);
    for (size_t length = 2; length < full; length++)
        read_bad(write_file("a.gz", packed, length), BP_ERR_FORMAT, "get it again");
}
END_TEST

START_TEST(a_file_that_goes_on_is_refused) {
    unsigned char longer[sizeof small + 1] = {0};
    memcpy(longer, small, sizeof small);
    read_bad(write_file("a", longer, sizeof longer), BP_ERR_FORMAT, "longer than its header");
    read_bad(write_packed("a.gz", "wb", longer, sizeof longer), BP_ERR_FORMAT, "longer than");
    unsigned char packed[200];
    size_t full = read_back(write_packed("a.gz", "wb", small, sizeof small), packed, sizeof packed);
    packed[full] = 'x';
    read_bad(write_file("a.gz", packed, full + 1), BP_ERR_FORMAT,
             "follows the end of the gzip data");
}
END_TEST

START_TEST(damaged_gzip_is_refused) {
    unsigned char packed[200];
    size_t full = read_back(write_packed("a.gz", "wb", small, sizeof small), packed, sizeof packed);
    packed[full - 8] ^= 1;
    read_bad(write_file("a.gz", packed, full), BP_ERR_FORMAT, "incorrect data check");
    packed[full - 8] ^= 1;
    packed[full - 1] ^= 1;
    read_bad(write_file("a.gz", packed, full), BP_ERR_FORMAT, "incorrect length check");
    packed[full - 1] ^= 1;
    /* Any one bit: found, or it is in what gzip does not use, such as the time. */
    size_t found = 0;
    for (size_t bit = 0; bit < 8 * full; bit++) {
        packed[bit / 8] ^= (unsigned char)(1 << bit % 8);
        bp_idx idx;
        bp_status status = bp_idx_read(write_file("a.gz", packed, full), &idx, NULL);
        if (status == BP_OK)
            assert_small(&idx);
        else
            ck_assert(status == BP_ERR_FORMAT || status == BP_ERR_SHAPE);
        found += status != BP_OK;
        bp_idx_free(&idx);
        packed[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    ck_assert_uint_ge(found, 7 * 8 * full / 10);
}
END_TEST

START_TEST(sizes_that_overflow_or_exceed_the_file_are_refused_before_memory_is_taken) {
    unsigned char header[36] = {0, 0, 0x0E, 8};
    memset(header + 4, 0xFF, 32);
    read_bad(write_file("a", header, sizeof header), BP_ERR_SHAPE,
             "more elements than can be counted");
    const unsigned char large[] = {0, 0, 0x0E, 2, 0, 16, 0, 0, 0, 16, 0, 0, 1, 2, 3};
    read_bad(write_file("a", large, sizeof large), BP_ERR_FORMAT, "8796093022208 bytes");
    uint64_t before = bpi_alloc_count();
    bp_idx idx;
    ck_assert_int_eq(bp_idx_read(in_folder("a"), &idx, NULL), BP_ERR_FORMAT);
    ck_assert_uint_eq(bpi_alloc_count() - before, 1); /* what reads the file, no more */
    read_bad(write_packed("a.gz", "wb", large, sizeof large), BP_ERR_FORMAT, "8796093022208 bytes");
}
END_TEST

START_TEST(a_failed_allocation_is_reported_whichever_it_is) {
    char path[200];
    strcpy(path, write_packed("a.gz", "wb", small, sizeof small));
    bp_status status = BP_ERR_MEMORY;
    int64_t after = 0;
    for (; status != BP_OK && after < 100; after++) {
        bp_idx idx;
        bp_failure why;
        bpi_alloc_fail(after, false);
        status = bp_idx_read(path, &idx, &why);
        bpi_alloc_fail(-1, false);
        ck_assert(status == BP_OK || status == BP_ERR_MEMORY);
        ck_assert(status == BP_OK || (!idx.data && strstr(why.text, path)));
        bp_idx_free(&idx);
    }
    ck_assert_int_gt(after, 3);
    ck_assert_int_eq(status, BP_OK);
}
END_TEST

/* ---- MNIST's layout -------------------------------------------------------------------------- */

static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0,  0,   0,   2, 0, 0,
                                       0, 3, 0, 1, 2, 3, 4, 5, 51, 102, 255, 0, 0, 9};
static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 3};

static void mnist_bad(bp_status expected, const char *words) {
    bp_dataset data;
    memset(&data, 0xAA, sizeof data);
    bp_failure why;
    bp_status status = bp_mnist_read(folder, "train", &data, &why);
    ck_assert_msg(status == expected && strstr(why.text, words) && strstr(why.text, folder),
                  "%d: %s", (int)status, why.text);
    ck_assert(!data.inputs && !data.labels && data.count == 0);
}

START_TEST(a_folder_of_images_and_labels_is_read) {
    write_file("train-images-idx3-ubyte", images, sizeof images);
    write_packed("train-labels-idx1-ubyte.gz", "wb", labels, sizeof labels);
    bp_dataset data;
    bp_failure why;
    bp_status status = bp_mnist_read(folder, "train", &data, &why);
    ck_assert_msg(status == BP_OK, "%s", why.text);
    ck_assert_int_eq(data.count, 2);
    ck_assert_int_eq(data.height, 2);
    ck_assert_int_eq(data.width, 3);
    ck_assert_int_eq(data.features, 6);
    ck_assert_int_eq(data.classes, 10);
    ck_assert_int_eq(data.labels[0], 7);
    ck_assert_int_eq(data.labels[1], 3);
    ck_assert_float_eq(data.inputs[6], 0.2f);
    ck_assert_float_eq(data.inputs[8], 1.0f);
    ck_assert_float_eq(data.inputs[11], 9 / 255.0f);
    bp_dataset_free(&data);
    ck_assert_ptr_null(data.inputs);
    bp_dataset_free(NULL);
}
END_TEST

START_TEST(classes_are_one_more_than_the_largest_label) {
    write_file("train-images-idx3-ubyte", images, sizeof images);
    unsigned char many[sizeof labels];
    memcpy(many, labels, sizeof labels);
    many[8] = 46;
    write_file("train-labels-idx1-ubyte", many, sizeof many);
    bp_dataset data;
    ck_assert_int_eq(bp_mnist_read(folder, "train", &data, NULL), BP_OK);
    ck_assert_int_eq(data.classes, 47);
    bp_dataset_free(&data);
}
END_TEST

START_TEST(a_folder_that_does_not_fit_together_is_refused) {
    mnist_bad(BP_ERR_FILE, "train-images-idx3-ubyte");
    write_file("train-images-idx3-ubyte", images, sizeof images);
    mnist_bad(BP_ERR_FILE, "train-labels-idx1-ubyte.gz");
    const unsigned char three[] = {0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3};
    write_file("train-labels-idx1-ubyte", three, sizeof three);
    mnist_bad(BP_ERR_SHAPE, "3 labels for 2 images");
    const unsigned char negative[] = {0, 0, 9, 1, 0, 0, 0, 2, 1, 255};
    write_file("train-labels-idx1-ubyte", negative, sizeof negative);
    mnist_bad(BP_ERR_VALUE, "label 1 is -1");
    write_file("train-labels-idx1-ubyte", images, sizeof images);
    mnist_bad(BP_ERR_FORMAT, "swapped");
    write_file("train-labels-idx1-ubyte", labels, 9);
    mnist_bad(BP_ERR_FORMAT, "cut off");
    write_file("train-images-idx3-ubyte", labels, sizeof labels);
    mnist_bad(BP_ERR_FORMAT, "swapped");
    bp_dataset data;
    ck_assert_int_eq(bp_mnist_read(NULL, "train", &data, NULL), BP_ERR_ARGUMENT);
    ck_assert_int_eq(bp_mnist_read(folder, NULL, &data, NULL), BP_ERR_ARGUMENT);
    ck_assert_int_eq(bp_mnist_read(folder, "train", NULL, NULL), BP_ERR_ARGUMENT);
}
END_TEST

START_TEST(nothing_is_half_loaded_when_memory_is_short) {
    write_file("train-images-idx3-ubyte", images, sizeof images);
    write_file("train-labels-idx1-ubyte", labels, sizeof labels);
    bp_status status = BP_ERR_MEMORY;
    for (int64_t after = 0; status != BP_OK && after < 100; after++) {
        bp_dataset data;
        bpi_alloc_fail(after, false);
        status = bp_mnist_read(folder, "train", &data, NULL);
        bpi_alloc_fail(-1, false);
        ck_assert(status == BP_OK ||
                  (status == BP_ERR_MEMORY && !data.inputs && !data.labels && !data.count));
        bp_dataset_free(&data);
    }
    ck_assert_int_eq(status, BP_OK);
}
END_TEST

/* ---- the digits ------------------------------------------------------------------------------ */

START_TEST(the_digits_are_those_of_the_uci_test_set) {
    static const int per_class[10] = {178, 182, 177, 183, 181, 182, 181, 179, 174, 180};
    /* Of all pixels, the latter with weights 1..64 by place; worked out from the original file. */
    static const long expected_sum = 561718, expected_weighted = 18222371;
    bp_dataset data;
    ck_assert_int_eq(bp_digits(&data, NULL), BP_OK);
    ck_assert_int_eq(data.count, 1797);
    ck_assert_int_eq(data.features, 64);
    ck_assert_int_eq(data.height, 8);
    ck_assert_int_eq(data.width, 8);
    ck_assert_int_eq(data.classes, 10);
    int found[10] = {0};
    long sum = 0, weighted = 0;
    for (int64_t k = 0; k < data.count; k++) {
        ck_assert(data.labels[k] >= 0 && data.labels[k] < 10);
        found[data.labels[k]]++;
        for (int i = 0; i < 64; i++) {
            float level = 16 * data.inputs[k * 64 + i];
            ck_assert(level >= 0 && level <= 16 && level == (float)(int)level);
            sum += (long)level;
            weighted += (i + 1) * (long)level;
        }
    }
    ck_assert_mem_eq(found, per_class, sizeof found);
    ck_assert_int_eq(sum, expected_sum);
    ck_assert_int_eq(weighted, expected_weighted);
    bp_dataset_free(&data);
}
END_TEST

START_TEST(digits_without_memory_or_place_are_an_error) {
    bp_failure why;
    ck_assert_int_eq(bp_digits(NULL, &why), BP_ERR_ARGUMENT);
    bp_status status = BP_ERR_MEMORY;
    int64_t failed = 0;
    for (bp_dataset data; status != BP_OK; failed++) {
        bpi_alloc_fail(failed, false);
        status = bp_digits(&data, &why);
        bpi_alloc_fail(-1, false);
        ck_assert(status == BP_OK || (status == BP_ERR_MEMORY && !data.inputs && !data.labels));
        ck_assert_int_eq(data.count, status == BP_OK ? 1797 : 0);
        bp_dataset_free(&data);
    }
    ck_assert_int_gt(failed, 4); /* inputs, labels, what is unpacked, and what unpacks */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("data");
    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, make_folder, remove_folder);
    tcase_add_test(files, every_element_type_is_read);
    tcase_add_test(files, elements_beyond_one_piece_are_in_order);
    tcase_add_test(files, ranks_from_none_to_eight_and_sizes_of_zero_are_read);
    tcase_add_test(files, gzip_is_told_by_content_and_may_have_several_members);
    tcase_add_test(files, files_that_cannot_be_read_say_why);
    tcase_add_test(files, files_of_other_formats_are_refused);
    tcase_add_test(files, a_file_cut_off_anywhere_is_refused);
    tcase_add_test(files, a_file_that_goes_on_is_refused);
    tcase_add_test(files, damaged_gzip_is_refused);
    tcase_add_test(files,
                   sizes_that_overflow_or_exceed_the_file_are_refused_before_memory_is_taken);
    tcase_add_test(files, a_failed_allocation_is_reported_whichever_it_is);
    tcase_add_test(files, a_folder_of_images_and_labels_is_read);
    tcase_add_test(files, classes_are_one_more_than_the_largest_label);
    tcase_add_test(files, a_folder_that_does_not_fit_together_is_refused);
    tcase_add_test(files, nothing_is_half_loaded_when_memory_is_short);
    suite_add_tcase(suite, files);
    TCase *digits = tcase_create("digits");
    tcase_add_test(digits, the_digits_are_those_of_the_uci_test_set);
    tcase_add_test(digits, digits_without_memory_or_place_are_an_error);
    suite_add_tcase(suite, digits);
    return run_suite(suite);
}
