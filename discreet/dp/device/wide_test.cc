#include "discreet/dp/device/wide.h"

#include <gtest/gtest.h>
#include <quadmath.h>

#include <cmath>
#include <vector>

#include "discreet/base/random.h"

namespace discreet::device {
namespace {

std::vector<__float128> quads(const at::Tensor& wide) {
  const at::Tensor flat = wide.reshape({wide.size(0), -1}).t().contiguous();
  std::vector<__float128> values;
  for (int64_t i = 0; i < flat.size(0); ++i) {
    __float128 value = 0;
    for (int64_t limb = flat.size(1); limb-- > 0;)
      value += ldexpq(flat.data_ptr<double>()[i * flat.size(1) + limb], static_cast<int>(-kLimbBits * limb));
    values.push_back(value);
  }
  return values;
}

at::Tensor wide(const std::vector<__float128>& values) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size()), kLimbs}, at::kDouble);
  auto* to = tensor.data_ptr<double>();
  for (const __float128 value : values)
    for (const double limb : limbs_of(value)) *to++ = limb;
  return tensor.t().contiguous();
}

// 100 bits or so, of all sizes up to 2^15, of both signs.
std::vector<__float128> numbers(uint64_t seed, size_t n, int least = -60) {
  RandomStream random = RandomStream::for_tests(seed);
  std::vector<__float128> values = {0, 1, -1, 0.5, -0.5, 0.5 - ldexpq(1, -90), 32767};
  while (values.size() < n) {
    const __float128 digits = ldexpq(static_cast<__float128>(random.next()), -64) +
                              ldexpq(static_cast<__float128>(random.next()), -128);
    const int exponent = least + static_cast<int>(random.next() % static_cast<uint64_t>(16 - least));
    values.push_back(ldexpq(random.next() & 1 ? -digits : digits, exponent));
  }
  return values;
}

void expect_settled(const at::Tensor& x) {
  EXPECT_LE(x.narrow(0, 1, x.size(0) - 1).abs().max().item<double>(), 0x1p19 + 0x1p6);
  EXPECT_TRUE(x.equal(x.round()));
}

double distance(__float128 a, __float128 b) {
  return static_cast<double>(fabsq(a - b));
}

TEST(Wide, ConstantsAreTheirLimbs) {
  const auto values = numbers(1, 500);
  const at::Tensor limbs = wide(values);
  expect_settled(limbs);
  const auto back = quads(limbs);
  for (size_t i = 0; i < values.size(); ++i) EXPECT_LE(distance(back[i], values[i]), 0x1p-112 * 32768) << i;
}

TEST(Wide, SettlingKeepsTheValueExactly) {
  RandomStream random = RandomStream::for_tests(2);
  for (const int bits : {45, 52}) {
    at::Tensor x = at::empty({400, 5}, at::kDouble);
    // The whole value in units of the last limb, as 128-bit integers.
    std::vector<__int128> before;
    for (int64_t i = 0; i < 400; ++i) {
      __int128 value = 0;
      for (int64_t limb = 0; limb < 5; ++limb) {
        const auto magnitude = static_cast<int64_t>(random.next() >> (limb == 0 ? 54 : 64 - bits));
        const int64_t number = random.next() & 1 ? magnitude : -magnitude;
        x.data_ptr<double>()[5 * i + limb] = static_cast<double>(number);
        value = value * (1 << kLimbBits) + number;
      }
      before.push_back(value);
    }
    at::Tensor settled = settle(x.t().contiguous(), bits == 45 ? 2 : 3);
    expect_settled(settled);
    x.copy_(settled.t());
    for (int64_t i = 0; i < 400; ++i) {
      __int128 value = 0;
      for (int64_t limb = 0; limb < 5; ++limb)
        value = value * (1 << kLimbBits) + static_cast<int64_t>(x.data_ptr<double>()[5 * i + limb]);
      ASSERT_TRUE(value == before[static_cast<size_t>(i)]) << i;
    }
  }
}

TEST(Wide, ProductsAreThoseOfQuadruplePrecision) {
  const auto a = numbers(3, 2000), b = numbers(4, 2000);
  const at::Tensor settled = product(wide(a), wide(b));
  expect_settled(settled);
  const auto got = quads(settled);
  for (size_t i = 0; i < a.size(); ++i) {
    const __float128 expected = a[i] * b[i];
    // The rounding of a quad, of a and b as well, and the cut.
    ASSERT_LE(distance(got[i], expected), static_cast<double>(fabsq(expected)) * 0x1p-111 + 0x1p-124) << i;
  }
}

// Where quads hold everything: factors below 1 of 56 fractional bits have products of 112, without any error.
TEST(Wide, ShortProductsAreExact) {
  RandomStream random = RandomStream::for_tests(5);
  std::vector<__float128> a, b;
  for (int i = 0; i < 2000; ++i) {
    a.push_back(ldexpq(static_cast<__float128>(random.next() >> 8), -56));
    b.push_back(-ldexpq(static_cast<__float128>(random.next() >> 8), -56));
  }
  const auto got = quads(product(wide(a), wide(b)));
  for (size_t i = 0; i < a.size(); ++i) ASSERT_TRUE(got[i] == a[i] * b[i]) << i;
}

// Products cut off below 2^-140: of two numbers that are 2^-70 and a little.
TEST(Wide, TheLastLimbIsRight) {
  const __float128 a = ldexpq(1, -70) + ldexpq(1, -100), b = ldexpq(3, -70);
  const auto got = quads(product(wide({a}), wide({b})));
  EXPECT_LE(distance(got[0], a * b), 0x1p-140);
  EXPECT_EQ(static_cast<double>(got[0]), 3 * 0x1p-140);
}

TEST(Wide, OtherDimensionsAreBroadcast) {
  const auto a = numbers(6, 12);
  const at::Tensor b = wide(numbers(7, 10)).narrow(1, 7, 3), rows = wide(a).view({kLimbs, 4, 3});
  const at::Tensor all = product(rows, b.unsqueeze(1));
  ASSERT_EQ(all.sizes(), (std::vector<int64_t>{kLimbs, 4, 3}));
  for (int64_t i = 0; i < 4; ++i) EXPECT_TRUE(all.select(1, i).equal(product(rows.select(1, i), b)));
}

// 256 products of the largest limbs that are allowed, before they are settled: all whole numbers still.
TEST(Wide, ManyProductsStayExact) {
  const at::Tensor x = at::full({kLimbs}, 0x1p20);
  EXPECT_LE(products(x, x).max().item<double>(), 0x1p44);
  EXPECT_LE(products(x, x).max().item<double>() * 256, 0x1p52);
}

TEST(Wide, DoublesComeAndGo) {
  RandomStream random = RandomStream::for_tests(8);
  std::vector<double> values = {0, -0., 1, -1, 0.5, 1048575.5, -1048575.75, 0x1p-140, 5e-324, 0x1.8p-141};
  while (values.size() < 2000) {
    const double digits = static_cast<double>(random.next() >> 11);
    values.push_back(
        std::ldexp(random.next() & 1 ? digits : -digits, -34 - static_cast<int>(random.next() % 52)));
  }
  const at::Tensor doubles = at::tensor(values, at::kDouble), limbs = from_double(doubles);
  expect_settled(limbs);
  const auto exact = quads(limbs);
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_LE(distance(exact[i], values[i]), 0x1p-141) << values[i];
    if (i > 9) {
      ASSERT_TRUE(exact[i] == values[i]) << values[i];
    }
  }
  const at::Tensor back = to_double(limbs);
  for (size_t i = 10; i < values.size(); ++i)
    ASSERT_LE(std::abs(back.data_ptr<double>()[i] - values[i]), 0x1p-51 * std::abs(values[i]));
  const auto many = numbers(9, 2000, -120);
  const at::Tensor nearest = to_double(wide(many));
  for (size_t i = 0; i < many.size(); ++i)
    ASSERT_LE(distance(nearest.data_ptr<double>()[i], many[i]),
              0x1p-51 * static_cast<double>(fabsq(many[i])) + 0x1p-140);
}

TEST(Wide, TheNearestWholeNumberIsDecidedByAllLimbs) {
  std::vector<__float128> values;
  for (const int whole : {0, 1, -1, 20000, -20001})
    for (const double half : {-0.5, 0.5})
      for (const int digit : {3, 19, 20, 21, 39, 41, 60, 80, 96})
        for (const int side : {-1, 1}) values.push_back(whole + half + side * ldexpq(1, -digit));
  for (const auto& value : numbers(10, 1000)) values.push_back(value);
  const at::Tensor nearest = nearest_whole(wide(values));
  for (size_t i = 0; i < values.size(); ++i) {
    if (fabsq(fabsq(values[i] - rintq(values[i])) - 0.5) == 0) continue;  // a tie
    ASSERT_EQ(nearest.data_ptr<double>()[i], static_cast<double>(rintq(values[i]))) << i;
  }
  // Beyond what quads hold.
  at::Tensor last = at::zeros({kLimbs, 2}, at::kDouble);
  last[1].fill_(1 << (kLimbBits - 1));
  last[kLimbs - 1][0] = 1;
  last[kLimbs - 1][1] = -1;
  EXPECT_EQ(nearest_whole(last)[0].item<double>(), 1);
  EXPECT_EQ(nearest_whole(last)[1].item<double>(), 0);
}

TEST(Wide, ReadsNothing) {
  const auto meta = at::TensorOptions(at::kDouble).device(at::kMeta);
  const at::Tensor x = from_double(at::empty({6}, meta));
  EXPECT_EQ(nearest_whole(settle(product(x, x))).sizes(), (std::vector<int64_t>{6}));
  EXPECT_EQ(to_double(x).sizes(), (std::vector<int64_t>{6}));
}

}  // namespace
}  // namespace discreet::device
