#include "discreet/accounting/normal_mass.h"

#include <gtest/gtest.h>

#include <boost/math/special_functions/erf.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <cmath>
#include <limits>

#include "discreet/base/random.h"
#include "discreet/base/sampling.h"

namespace discreet {
namespace {

using Wide = boost::multiprecision::cpp_bin_float_100;

// The slow path: a difference of distribution functions with a hundred digits.
double slow(double low, double high, double mean) {
  const Wide root = sqrt(Wide(2));
  const auto above = [&](double x) -> Wide { return boost::math::erfc((Wide(x) - Wide(mean)) / root) / 2; };
  return static_cast<double>(above(low) - above(high));
}

double uniform(RandomStream& random, double low, double high) {
  return low + (high - low) * static_cast<double>(uniform_below(random, 1 << 30)) / (1 << 30);
}

TEST(NormalMass, AgreesWithAHundredDigits) {
  RandomStream random = RandomStream::for_tests(1);
  for (int i = 0; i < 300; ++i) {
    const double mean = uniform(random, -3, 3), low = uniform(random, -12, 12);
    const double high = low + std::exp(uniform(random, std::log(1e-7), std::log(3)));
    const double at = std::max(std::abs(low - mean), std::abs(high - mean)) + std::abs(mean);
    const double exact = slow(low, high, mean);
    EXPECT_NEAR(normal_mass(low, high, mean) / exact, 1, normal_mass_error(at))
        << low << " " << high << " " << mean;
  }
}

TEST(NormalMass, TailsAndWholes) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_DOUBLE_EQ(normal_mass(-kInfinity, kInfinity), 1);
  EXPECT_NEAR(normal_mass(9, kInfinity) / 1.1285884059538405e-19, 1,
              1e-12);  // Q(9), Abramowitz and Stegun 26.2
  EXPECT_NEAR(normal_mass(-kInfinity, -9) / 1.1285884059538405e-19, 1, 1e-12);
  EXPECT_EQ(normal_mass(1, 1), 0);
  EXPECT_EQ(normal_mass(2, 1), 0);
}

}  // namespace
}  // namespace discreet
