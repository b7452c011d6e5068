#include "discreet/report/plot.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "discreet/base/error.h"
#include "discreet/report/page_check.h"

namespace discreet {
namespace {

Plot small_plot() {
  Plot plot;
  plot.x = {.label = "Steps", .low = 0, .high = 10};
  plot.y = {.label = "Loss", .low = 0, .high = 1};
  plot.lines = {{.points = {{0, 1}, {5, 0.5}, {10, 0.25}}},
                {.points = {{0, 0.5}, {5, 0.25}, {10, 0.1}}, .ink = Ink::kQuiet}};
  plot.labels = {{.words = "at most 12.5 %", .at = {5, 0.7}}};
  plot.dots = {{5, 0.5}};
  plot.description = "A curve that falls from <1> to 0.25";
  return plot;
}

ErrorKind kind_of(const Plot& plot) {
  try {
    draw(plot);
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.kind();
  }
  ADD_FAILURE() << "drew it";
  return ErrorKind::kInterrupted;
}

TEST(Plot, IsAnElementOfThePageInThePagesColours) {
  const std::string svg = draw(small_plot()).markup();
  EXPECT_EQ(page_check::problem("<!doctype html>" + svg), "");
  EXPECT_EQ(svg.rfind("<svg class=\"plot\" role=\"img\"", 0), 0u);
  EXPECT_NE(svg.find("aria-label=\"A curve that falls from &lt;1&gt; to 0.25\""), std::string::npos);
  EXPECT_NE(svg.find("at most 12.5 %"), std::string::npos);
  EXPECT_NE(svg.find("class=\"line-accent\""), std::string::npos);
  EXPECT_NE(svg.find("class=\"line-quiet\""), std::string::npos);
  EXPECT_NE(svg.find("<circle"), std::string::npos);
  for (const char* left_over : {"rgb(", "font-family", "black", "id=", "gnuplot", "Gnuplot", "xlink"}) {
    EXPECT_EQ(svg.find(left_over), std::string::npos) << left_over << " in\n" << svg;
  }
}

// The curve is where the numbers say: the three points of the first line, read back from the drawing, are in
// proportion to the data.
TEST(Plot, TheCurveFollowsTheNumbers) {
  const std::string svg = draw(small_plot()).markup();
  const size_t path = svg.find("d='M", svg.find("class=\"line-accent\""));
  ASSERT_NE(path, std::string::npos);
  double x[3], y[3];
  ASSERT_EQ(std::sscanf(svg.c_str() + path, "d='M%lf,%lf L%lf,%lf L%lf,%lf", &x[0], &y[0], &x[1], &y[1],
                        &x[2], &y[2]),
            6);
  EXPECT_NEAR((x[1] - x[0]) / (x[2] - x[0]), 0.5, 1e-3);
  EXPECT_NEAR((y[1] - y[0]) / (y[2] - y[0]), 0.5 / 0.75, 1e-3);
  EXPECT_GT(y[2], y[0]);  // downwards on the page
}

TEST(Plot, TheSameNumbersMakeTheSameBytes) {
  EXPECT_EQ(draw(small_plot()).markup(), draw(small_plot()).markup());
}

TEST(Plot, ABarsPartsAreInProportion) {
  PlotBar bar;
  bar.parts = {{1, Ink::kSecond}, {3, Ink::kAccent}};
  bar.description = "One to three";
  const std::string svg = draw(bar).markup();
  EXPECT_EQ(page_check::problem("<!doctype html>" + svg), "");
  const auto width = [&](const std::string& ink) {
    const size_t shape = svg.rfind("points", svg.find("'", svg.find("class=\"fill-" + ink)));
    const size_t points =
        svg.find("'", std::min(shape, svg.find("points", svg.find("class=\"fill-" + ink)))) + 1;
    double low = INFINITY, high = -INFINITY;
    const char* at = svg.c_str() + points;
    double x, y;
    int used;
    while (std::sscanf(at, "%lf,%lf%n", &x, &y, &used) == 2)
      low = std::min(low, x), high = std::max(high, x), at += used;
    return high - low;
  };
  EXPECT_NEAR(width("second") / width("accent"), 1.0 / 3, 0.02) << svg;
  EXPECT_THROW(draw(PlotBar{}), Error);
}

TEST(Plot, LabelsCannotSpeakToGnuplotOrToThePage) {
  const std::filesystem::path trace = std::filesystem::temp_directory_path() / "discreet_plot_test_trace";
  std::filesystem::remove(trace);
  for (const std::string& words :
       {"'; system('touch " + trace.string() + "') #", std::string("a\nb"), std::string("<b>"),
        std::string("`date`"), std::string("$(date)"), std::string("&amp;")}) {
    Plot plot = small_plot();
    plot.labels[0].words = words;
    EXPECT_EQ(kind_of(plot), ErrorKind::kInvalidArgument);
    plot = small_plot();
    plot.x.label = words;
    EXPECT_EQ(kind_of(plot), ErrorKind::kInvalidArgument);
  }
  EXPECT_FALSE(std::filesystem::exists(trace));
}

TEST(Plot, RefusesWhatIsNotANumber) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    Plot plot = small_plot();
    plot.lines[0].points[1].y = bad;
    EXPECT_EQ(kind_of(plot), ErrorKind::kInvalidArgument);
  }
}

class WithPath : public ::testing::Test {
 protected:
  void SetUp() override { saved_ = std::getenv("PATH") ? std::getenv("PATH") : ""; }
  void TearDown() override { setenv("PATH", saved_.c_str(), 1); }
  std::string saved_;
};

TEST_F(WithPath, SaysThatGnuplotIsMissing) {
  setenv("PATH", "/nowhere", 1);
  EXPECT_EQ(kind_of(small_plot()), ErrorKind::kUnavailable);
  EXPECT_THROW(check_plotting(), Error);
}

TEST_F(WithPath, FindsGnuplot) {
  EXPECT_NO_THROW(check_plotting());
}

TEST(Plot, SaysWhatGnuplotComplainedAbout) {
  try {
    run_gnuplot("set terminal svg\nplot nonsense(x)\n");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnavailable);
    EXPECT_NE(std::string(error.what()).find("nonsense"), std::string::npos);
  }
}

}  // namespace
}  // namespace discreet
