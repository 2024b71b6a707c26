/* The pixels behind bp_digits. */
#ifndef BPI_DIGITS_H
#define BPI_DIGITS_H

enum {
    BPI_DIGITS_COUNT = 1797,
    BPI_DIGITS_SIDE = 8,
    BPI_DIGITS_LEVELS = 16,
    BPI_DIGITS_LINE = 1 + BPI_DIGITS_SIDE * BPI_DIGITS_SIDE /* characters of a digit */
};

/* The digits as digits.txt explains them, packed by pack_digits.py. */
extern const unsigned char bpi_digits_packed[];
extern const unsigned bpi_digits_packed_bytes;

#endif
