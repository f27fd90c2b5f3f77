#pragma once
// Tests of the host code: each states a property and ends at its first failed check.

#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "../errors.h"

namespace fp8lab::test {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/** Why a test cannot run here; counted and printed. */
struct Skip : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Test {
  std::string suite;
  std::string property;
  std::function<void()> body;
};

/** Every test, in the order of the files. */
std::vector<Test>& tests();

struct Registration {
  Registration(const char* suite, const char* property, std::function<void()> body) {
    tests().push_back({suite, property, std::move(body)});
  }
};

/** Folder of the recorded data; empty where it was not given. */
std::string& data_folder();

inline void check(bool held, const std::string& what) {
  if (!held) throw Failure(what);
}

template <class A, class B>
void check_equal(const A& actual, const B& expected, const std::string& what) {
  if (actual == expected) return;
  std::ostringstream text;
  text << what << ": " << actual << ", expected " << expected;
  throw Failure(text.str());
}

/** The code of the Error that body throws. */
template <class Body>
std::string error_code(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code;
  }
  return "no error";
}

/** Pseudo-random words (SplitMix64), for tests alone. */
class Random {
 public:
  explicit Random(unsigned long long seed) : state_(seed) {}
  unsigned word() {
    unsigned long long z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return static_cast<unsigned>((z ^ (z >> 31)) >> 32);
  }

 private:
  unsigned long long state_;
};

}  // namespace fp8lab::test

#define FP8LAB_JOIN_(a, b) a##b
#define FP8LAB_JOIN(a, b) FP8LAB_JOIN_(a, b)
#define FP8LAB_TEST_(suite, property, body, registration)                         \
  static void body();                                                              \
  static const ::fp8lab::test::Registration registration(suite, property, body);   \
  static void body()
// Counted, not by line: several files may be one translation unit.
#define FP8LAB_NUMBERED_TEST(suite, property, number) FP8LAB_TEST_(suite, property, FP8LAB_JOIN(body_, number), FP8LAB_JOIN(registration_, number))
#define FP8LAB_TEST(suite, property) FP8LAB_NUMBERED_TEST(suite, property, __COUNTER__)
