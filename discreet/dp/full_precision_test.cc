#include "discreet/dp/full_precision.h"

#include <ATen/record_function.h>
#include <gtest/gtest.h>
#include <torch/version.h>

#include <set>
#include <string>

#include "discreet/dp/clip.h"

namespace discreet {
namespace {

// As a user asks for fast products, for one test.
class FastProducts : public testing::Test {
 protected:
  void SetUp() override {
    at::globalContext().setFloat32MatmulPrecision("medium");
    before = internal::reduced_precisions(at::kCPU);
  }
  void TearDown() override { at::globalContext().setFloat32MatmulPrecision("highest"); }
  size_t before = 0;
};

TEST_F(FastProducts, AreOffForAsLongAsOneAsks) {
  ASSERT_GT(before, 0u);
  {
    const FullPrecision one(at::kCPU);
    EXPECT_TRUE(at::NoTF32Guard::should_disable_tf32());
    {
      const FullPrecision other(at::kCPU);
      EXPECT_EQ(internal::reduced_precisions(at::kCPU), 0u);
    }
    EXPECT_EQ(internal::reduced_precisions(at::kCPU), 0u);
  }
  EXPECT_EQ(internal::reduced_precisions(at::kCPU), before);
  EXPECT_FALSE(at::NoTF32Guard::should_disable_tf32());
}

thread_local std::set<std::string> in_full, reduced;

// Which products ran while all switches were at full precision, and which while one was not.
class Watch {
 public:
  Watch()
      : handle_(
            at::addThreadLocalCallback(at::RecordFunctionCallback(see).scopes({at::RecordScope::FUNCTION}))) {
    in_full.clear();
    reduced.clear();
  }
  ~Watch() { at::removeCallback(handle_); }

 private:
  static std::unique_ptr<at::ObserverContext> see(const at::RecordFunction& function) {
    (internal::reduced_precisions(at::kCPU) == 0 ? in_full : reduced).insert(function.name());
    return nullptr;
  }
  at::CallbackHandle handle_;
};

// The engine's own products are the only ones here: no gradient flows on to the rows.
TEST_F(FastProducts, AreNotOfNormsAndSums) {
  torch::manual_seed(1);
  const at::Tensor x = torch::randn({8, 32, 6, 6}), w = torch::randn({32, 32, 3, 3}).requires_grad_();
  const at::Tensor v = torch::randn({5, 20}).requires_grad_(), rows = torch::randn({8, 7, 20});
  for (const bool convolution : {false, true}) {
    const at::Tensor out = convolution ? torch::conv2d(x, w) : torch::linear(rows, v);
    Clipper clipper({convolution ? TrainedParameter{"w", w} : TrainedParameter{"v", v}}, 1.0);
    const Watch watch;
    clipper.add(out, torch::ones_like(out));
    const std::string product = convolution ? "aten::convolution_backward" : "aten::mm";
    EXPECT_TRUE(in_full.count(product)) << product;
    EXPECT_FALSE(reduced.count(product)) << product;
  }
}

// The model's own are as the user wants them.
TEST_F(FastProducts, StayTheModels) {
  const at::Tensor a = torch::randn({4, 4}).requires_grad_(), b = torch::randn({4, 4}).requires_grad_();
  const at::Tensor out = torch::linear(torch::linear(torch::randn({3, 4}), a).tanh(), b);
  Clipper clipper({{"a", a}, {"b", b}}, 1.0);
  const Watch watch;
  clipper.add(out, torch::ones_like(out));
  EXPECT_TRUE(reduced.count("aten::mm"));
}

// What a unit adds stays within the sensitivity: factors all of which bfloat16 would round up, by 2^-9.
TEST_F(FastProducts, KeepTheSensitivity) {
  const int64_t n = 256, width = 1024;
  const float number = 1 + 0x1.2p-8f;
  const at::Tensor w = torch::zeros({width, width}).requires_grad_();
  const at::Tensor out = torch::linear(torch::full({n, width}, number), w);
  Clipper clipper({{"w", w}}, 1.0);
  clipper.add(out, torch::full({n, width}, number));
  const ClippedSum sum = clipper.take();
  EXPECT_LE(sum.tensors()[0].norm().item<double>(), n * sum.sensitivity());
  EXPECT_GE(sum.tensors()[0].norm().item<double>(), n * (1 - 0x1p-10));
}

// A user's switch may also be one for everything, which each product inherits and goes on to.
TEST(FullPrecisionOf, AConvolutionOnAGpuIsAsItWasFoundAfterwards) {
  const size_t before = internal::reduced_precisions(at::kCUDA);
  EXPECT_EQ(before, 1u);  // unless told otherwise
  {
    const FullPrecision one(at::kCUDA);
    EXPECT_EQ(internal::reduced_precisions(at::kCUDA), 0u);
  }
  EXPECT_EQ(internal::reduced_precisions(at::kCUDA), before);
}

#if TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 11
TEST(FullPrecisionOf, WhatIsInheritedIsInheritedAgain) {
  using at::Float32Backend;
  using at::Float32Op;
  using at::Float32Precision;
  const auto everything = [](Float32Precision precision) {
    at::globalContext().setFloat32Precision(Float32Backend::GENERIC, Float32Op::ALL, precision);
  };
  everything(Float32Precision::TF32);
  const size_t inherited = internal::reduced_precisions(at::kCPU);
  EXPECT_GT(inherited, 0u);
  { const FullPrecision one(at::kCPU); }
  EXPECT_EQ(internal::reduced_precisions(at::kCPU), inherited);
  everything(Float32Precision::IEEE);
  EXPECT_EQ(internal::reduced_precisions(at::kCPU), 0u);
  everything(Float32Precision::NONE);
}
#endif

// A backward pass inside of autocast: sums in 16 bits would have steps of more than the clip, and one unit
// could move many numbers by one of them.
TEST(FullPrecisionOf, SumsInsideOfAutocast) {
  const int64_t n = 200, width = 64;
  const at::Tensor w = torch::zeros({2, width, width}).requires_grad_(),
                   v = torch::zeros({width, width}).requires_grad_();
  const auto sum = [&](int64_t rows, bool of_batches) {
    const at::Tensor x = torch::ones({2, rows, width});
    const at::Tensor out =
        of_batches ? torch::bmm(x, w).transpose(0, 1) : torch::linear(x[0], v.t()).contiguous();
    Clipper clipper({of_batches ? TrainedParameter{"w", w} : TrainedParameter{"v", v}}, 1.0);
    c10::impl::tls_set_dispatch_key_excluded(c10::DispatchKey::AutocastCPU, false);
    clipper.add(out, torch::full_like(out, 5));
    c10::impl::tls_set_dispatch_key_excluded(c10::DispatchKey::AutocastCPU, true);
    return clipper.take().tensors()[0];
  };
  for (const bool of_batches : {false, true})
    for (int64_t rows = n; rows > n - 4; --rows)
      EXPECT_NEAR((sum(rows, of_batches) - sum(rows - 1, of_batches)).norm().item<double>(), 1, 1e-4)
          << of_batches << " " << rows;
}

}  // namespace
}  // namespace discreet
