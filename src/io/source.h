/* The bytes of a file, unpacked when it is gzip: told by its first two bytes, not by its name. */
#ifndef BPI_SOURCE_H
#define BPI_SOURCE_H

#include <backprop/base.h>

typedef struct bpi_source bpi_source;

/* Opens a file for reading; close it with bpi_source_close. `path` and `why` are kept for the words
 * of later failures. On failure *source is NULL. */
bp_status bpi_source_open(const char *path, bpi_source **source, bp_failure *why);
/* Reads `bytes` bytes; *got is smaller only where the data ends. The end of gzip data is an error
 * unless its checksum agrees and nothing follows. */
bp_status bpi_source_read(bpi_source *source, void *out, size_t bytes, size_t *got);
/* Returns the most bytes that the whole file can hold, unpacked; INT64_MAX when that is unknown. */
int64_t bpi_source_limit(const bpi_source *source);
void bpi_source_close(bpi_source *source);

/* Unpacks what zlib has packed (RFC 1950) into exactly `size` bytes; false when that
 * fails: memory is short. */
bool bpi_unpack(const void *packed, size_t bytes, void *out, size_t size);

#endif
