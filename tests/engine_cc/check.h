#pragma once

#include <cstdio>
#include <cstdlib>
#include <exception>

/// A test is a program: it says what failed and where, and ends with status 1.
#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                      \
    }                                                                                    \
  } while (false)

#define CHECK_THROWS(statement, Exception)                                                              \
  do {                                                                                                  \
    bool thrown = false;                                                                                \
    try {                                                                                               \
      statement;                                                                                        \
    } catch (const Exception&) {                                                                        \
      thrown = true;                                                                                    \
    }                                                                                                   \
    if (!thrown) {                                                                                      \
      std::fprintf(stderr, "%s:%d: %s did not throw %s\n", __FILE__, __LINE__, #statement, #Exception); \
      std::exit(1);                                                                                     \
    }                                                                                                   \
  } while (false)
