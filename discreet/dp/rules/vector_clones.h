// For the insides of loops: the same code for each vector width; the loader picks one for the machine.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define DISCREET_VECTOR_CLONES __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))
#else
#define DISCREET_VECTOR_CLONES
#endif
