/* Reads a file piece by piece, through zlib's inflate where it is gzip (RFC 1952). Inflate rather
 * than gzread, so that memory comes from where all memory of the library comes from, and so that
 * what follows the packed data does not go unnoticed. */
#include "io/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "memory.h"
#include "text.h"

enum { PIECE = 1 << 16, GZIP_1 = 0x1f, GZIP_2 = 0x8b };

struct bpi_source {
    FILE *file;
    const char *path;
    bp_failure *why;
    int64_t bytes; /* of the file; -1: not known */
    bool packed;
    bool complete; /* the packed data has ended, with a checksum that agrees */
    z_stream z;    /* next_in, avail_in: what is left of `piece`, also of a plain file */
    unsigned char piece[PIECE];
};

static bp_status file_fail(const char *path, const char *doing, int error, bp_failure *why) {
    const char *fix = error == ENOENT   ? "check the path"
                      : error == EACCES ? "check the permissions of the file and its folder"
                      : error == EISDIR ? "give the path of a file in it"
                                        : "check the disk and try again";
    return bpi_fail(why, BP_ERR_FILE, "\"%s\" cannot be %s: %s; %s", path, doing, strerror(error),
                    fix);
}

/* Reads the next piece of the file; z.avail_in stays 0 at its end. */
static bp_status next_piece(bpi_source *s) {
    errno = 0;
    size_t got = fread(s->piece, 1, PIECE, s->file);
    if (ferror(s->file))
        return file_fail(s->path, "read", errno, s->why);
    s->z.next_in = s->piece;
    s->z.avail_in = (uInt)got;
    return BP_OK;
}

static void measure(bpi_source *s) {
    s->bytes = -1;
    long here = ftell(s->file);
    if (here >= 0 && fseek(s->file, 0, SEEK_END) == 0) {
        s->bytes = ftell(s->file);
        fseek(s->file, here, SEEK_SET);
    }
}

static void *zlib_alloc(void *context, unsigned items, unsigned size) {
    (void)context;
    return bpi_alloc((size_t)items * size);
}

static void zlib_free(void *context, void *memory) {
    (void)context;
    bpi_free(memory);
}

bool bpi_unpack(const void *packed, size_t bytes, void *out, size_t size) {
    z_stream z = {.zalloc = zlib_alloc,
                  .zfree = zlib_free,
                  .next_in = (unsigned char *)packed,
                  .avail_in = (uInt)bytes,
                  .next_out = out,
                  .avail_out = (uInt)size};
    if (inflateInit(&z) != Z_OK)
        return false;
    bool complete = inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_out == 0;
    inflateEnd(&z);
    return complete;
}

static bp_status start(bpi_source *s) {
    bp_status status = next_piece(s);
    if (status)
        return status;
    if (s->z.avail_in == 0)
        return bpi_fail(s->why, BP_ERR_FORMAT, "\"%s\" is empty; get the file again", s->path);
    measure(s);
    if (s->z.avail_in < 2 || s->piece[0] != GZIP_1 || s->piece[1] != GZIP_2)
        return BP_OK;
    s->z.zalloc = zlib_alloc;
    s->z.zfree = zlib_free;
    if (inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK) /* 16: expect the gzip header */
        return bpi_fail(s->why, BP_ERR_MEMORY, "out of memory while reading \"%s\"", s->path);
    s->packed = true;
    return BP_OK;
}

bp_status bpi_source_open(const char *path, bpi_source **source, bp_failure *why) {
    *source = NULL;
    bpi_source *s = bpi_alloc(sizeof *s);
    if (!s)
        return bpi_fail(why, BP_ERR_MEMORY, "out of memory while opening \"%s\"", path);
    memset(s, 0, offsetof(bpi_source, piece));
    s->path = path;
    s->why = why;
    s->file = fopen(path, "rb");
    bp_status status = s->file ? start(s) : file_fail(path, "opened", errno, why);
    if (status) {
        bpi_source_close(s);
        return status;
    }
    *source = s;
    return BP_OK;
}

void bpi_source_close(bpi_source *s) {
    if (!s)
        return;
    if (s->packed)
        inflateEnd(&s->z);
    if (s->file)
        fclose(s->file);
    bpi_free(s);
}

int64_t bpi_source_limit(const bpi_source *s) {
    if (s->bytes < 0)
        return INT64_MAX;
    if (!s->packed)
        return s->bytes;
    return s->bytes > INT64_MAX / 1100 ? INT64_MAX
                                       : s->bytes * 1100; /* deflate packs at most 1032:1 */
}

static bp_status read_plain(bpi_source *s, unsigned char *out, size_t bytes, size_t *got) {
    while (*got < bytes) {
        bp_status status = s->z.avail_in ? BP_OK : next_piece(s);
        if (status)
            return status;
        if (s->z.avail_in == 0)
            return BP_OK;
        size_t take = bytes - *got < s->z.avail_in ? bytes - *got : s->z.avail_in;
        memcpy(out + *got, s->z.next_in, take);
        s->z.next_in += take;
        s->z.avail_in -= (uInt)take;
        *got += take;
    }
    return BP_OK;
}

/* What follows packed data: nothing, or packed data that continues it. */
static bp_status next_member(bpi_source *s) {
    if (*s->z.next_in != GZIP_1)
        return bpi_fail(
            s->why, BP_ERR_FORMAT,
            "\"%s\": something follows the end of the gzip data; the file is damaged: get "
            "it again",
            s->path);
    s->complete = false;
    inflateReset(&s->z);
    return BP_OK;
}

static bp_status inflate_some(bpi_source *s, unsigned char *out, size_t room, size_t *got) {
    s->z.next_out = out;
    s->z.avail_out = room > PIECE ? PIECE : (uInt)room;
    uInt before = s->z.avail_out;
    int result = inflate(&s->z, Z_NO_FLUSH);
    *got += before - s->z.avail_out;
    if (result == Z_STREAM_END)
        s->complete = true;
    if (result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR)
        return BP_OK;
    if (result == Z_MEM_ERROR)
        return bpi_fail(s->why, BP_ERR_MEMORY, "out of memory while reading \"%s\"", s->path);
    return bpi_fail(s->why, BP_ERR_FORMAT,
                    "\"%s\": the gzip data is damaged (%s); get the file again", s->path,
                    s->z.msg ? s->z.msg : "invalid data");
}

static bp_status read_packed(bpi_source *s, unsigned char *out, size_t bytes, size_t *got) {
    while (*got < bytes) {
        bp_status status = s->z.avail_in ? BP_OK : next_piece(s);
        if (!status && s->z.avail_in == 0 && s->complete)
            return BP_OK;
        if (!status && s->z.avail_in == 0)
            return bpi_fail(
                s->why, BP_ERR_FORMAT,
                "\"%s\": the gzip data ends too early; the file is cut off: get it again", s->path);
        if (!status && s->complete)
            status = next_member(s);
        if (!status)
            status = inflate_some(s, out + *got, bytes - *got, got);
        if (status)
            return status;
    }
    return BP_OK;
}

bp_status bpi_source_read(bpi_source *s, void *out, size_t bytes, size_t *got) {
    *got = 0;
    return s->packed ? read_packed(s, out, bytes, got) : read_plain(s, out, bytes, got);
}
