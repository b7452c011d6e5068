#include "discreet/base/geometric.h"

#include <gtest/gtest.h>

#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <map>
#include <vector>

#include "discreet/base/error.h"

namespace discreet {
namespace {

using Integer = boost::multiprecision::cpp_int;

// floor(2^bits (1 - numerator 2^-exponent)^k), exactly.
Integer power_digits(uint64_t numerator, unsigned exponent, unsigned k, unsigned bits) {
  Integer power = 1;
  for (unsigned i = 0; i < k; ++i) power *= (Integer(1) << exponent) - numerator;
  return (power << bits) >> (exponent * k);
}

uint64_t low_word(const Integer& x) {
  return static_cast<uint64_t>(x & UINT64_MAX);
}

// U driven to both sides of (1 - p)^k, at the 64th, 128th and 192nd digit: k trials fail exactly where it is
// below.
TEST(Geometric, BoundariesAreThoseOfExactRationalArithmetic) {
  struct {
    uint64_t numerator;
    unsigned exponent;
    std::vector<unsigned> ks;
  } const cases[] = {{3, 3, {1, 2, 5, 30, 60}},
                     {1, 10, {1, 7, 100, 3000}},
                     {4835703278458517, 72, {1, 2, 1000, 5000}},  // 1e-6 as a double, a little rounded
                     {(uint64_t{1} << 53) - 1, 53, {1}},
                     {1, 70, {1, 50, 3000}}};
  for (const auto& [numerator, exponent, ks] : cases) {
    const double p = std::ldexp(static_cast<double>(numerator), -static_cast<int>(exponent));
    const Geometric geometric(p);
    for (const unsigned k : ks) {
      // Digit by digit the power, then its last word one up or one down; beyond it whatever comes.
      for (const int words : {1, 2, 3}) {
        const Integer digits = power_digits(numerator, exponent, k, 64 * static_cast<unsigned>(words));
        for (const int difference : {-1, 1}) {
          const Integer near = digits + difference;
          if (near < 0 || near >> (64 * words) != 0) continue;
          for (const uint64_t beyond : {uint64_t{0}, UINT64_MAX}) {
            for (const bool exactly : {false, true}) {
              int next = words - 1;
              const auto further = [&] { return next > 0 ? low_word(near >> (64 * --next)) : beyond; };
              const int64_t failures =
                  geometric.draw_from(low_word(near >> (64 * (words - 1))), further, 1 << 20, exactly);
              if (difference < 0) {
                EXPECT_GE(failures, k) << p << " " << words << " " << exactly;
              } else {
                EXPECT_LT(failures, k) << p << " " << words << " " << exactly;
              }
            }
          }
        }
      }
    }
  }
}

// Doubles decide only where the exact arithmetic would decide the same.
TEST(Geometric, DoublesAndExactArithmeticAgree) {
  RandomStream random = RandomStream::for_tests(1);
  for (const double p : {5e-324, 1e-300, 1e-18, 1e-12, 1e-6, 1e-3, 0.1, 0.5, 0.75, 0.999, 1 - 0x1p-53}) {
    const Geometric geometric(p);
    for (int i = 0; i < 60; ++i) {
      uint64_t word = random.next();
      if (i % 3 == 1) word >>= random.next() % 64;
      if (i % 3 == 2) word = ~(word >> random.next() % 64);
      const uint64_t further[] = {random.next(), random.next(), random.next(), random.next()};
      int64_t failures[2];
      for (const bool exactly : {false, true}) {
        int at = 0;
        const auto next = [&] { return further[at++ % 4]; };
        failures[exactly] = geometric.draw_from(word, next, INT64_MAX, exactly);
      }
      EXPECT_EQ(failures[0], failures[1]) << p << " " << word;
    }
  }
}

TEST(Geometric, HasItsDistributionAndItsLimit) {
  RandomStream random = RandomStream::for_tests(2);
  const int64_t draws = 100000;
  for (const double p : {0.01, 0.3, 0.9}) {
    const Geometric geometric(p);
    const int64_t limit = static_cast<int64_t>(2 / p);
    std::vector<int64_t> counts(static_cast<size_t>(limit) + 1);
    for (int64_t i = 0; i < draws; ++i) ++counts.at(static_cast<size_t>(geometric.draw(random, limit)));
    double statistic = 0;
    for (int64_t k = 0; k <= limit; ++k) {
      const double expected =
          static_cast<double>(draws) * std::pow(1 - p, static_cast<double>(k)) * (k < limit ? p : 1);
      const double difference = static_cast<double>(counts[static_cast<size_t>(k)]) - expected;
      statistic += difference * difference / expected;
    }
    // Chi-square with `limit` degrees: 7 deviations and 30 above the mean, below 1e-9.
    EXPECT_LT(statistic, static_cast<double>(limit) + 7 * std::sqrt(2. * static_cast<double>(limit)) + 30)
        << p;
  }
  EXPECT_EQ(Geometric(0.5).draw(random, 0), 0);
  EXPECT_EQ(Geometric(5e-324).draw(random, 1000), 1000);
}

TEST(Geometric, RefusesWhatIsNoProbability) {
  for (const double p : {0., 1., -0.1, 1.5, static_cast<double>(NAN)}) EXPECT_THROW(Geometric{p}, Error) << p;
}

}  // namespace
}  // namespace discreet
