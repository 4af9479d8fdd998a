/* How many elements an array has. A pointer instead of an array is a warning of the compiler. */
#ifndef KN_COMMON_COUNT_H
#define KN_COMMON_COUNT_H

#define KN_COUNT_OF(array) (sizeof(array) / sizeof *(array))

#endif
