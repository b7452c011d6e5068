// Plots drawn by gnuplot as SVG and inlined in a page: thin axes, few ticks, labels beside the lines.
//
// gnuplot runs as a child process without a shell, with no start-up file, reading a script that holds only
// our numbers and our words; what it draws never touches a disk. Colours become classes of the page's style
// sheet, so that one drawing is right in light and dark and on paper.
#pragma once

#include <string>
#include <vector>

#include "discreet/report/html.h"

namespace discreet {

struct PlotPoint {
  double x, y;
};

enum class Ink { kAccent, kSecond, kQuiet };  // --accent, --second, --quiet of the style sheet

struct PlotLine {
  std::vector<PlotPoint> points;  // finite; at least two
  Ink ink = Ink::kAccent;
  bool dashed = false;
  bool shade_to_next = false;  // fills the space between this line and the next one (same x values)
};

struct PlotLabel {
  std::string words;  // letters, digits, spaces and . , : % ( ) + - / = only: never a string from data
  PlotPoint at;
  Ink ink = Ink::kAccent;
  enum class Side { kLeft, kCentre, kRight } side = Side::kLeft;  // the side of the text that `at` touches
};

struct PlotAxis {
  std::string label;
  double low = 0, high = 1;
  double step = 0;          // between ticks; 0 lets gnuplot choose
  std::string suffix = {};  // "%" after each tick
  bool logarithmic = false;
};

struct Plot {
  PlotAxis x, y;
  std::vector<PlotLine> lines;
  std::vector<PlotLabel> labels;
  std::vector<PlotPoint> dots;
  int right_margin = 3;     // in characters: room for labels beyond the end of the x axis
  std::string description;  // what a person who cannot see it should know; may hold any text (it is escaped)
  int width = 420, height = 300;  // units of the drawing; it scales with the page
};

// One horizontal bar cut in parts, as for a budget, in the order given; the page says what they are.
struct PlotBar {
  struct Part {
    double length;  // >= 0
    Ink ink = Ink::kAccent;
  };
  std::vector<Part> parts;
  std::string description;
  int width = 640, height = 24;
};

// <svg class="plot" role="img" aria-label="description">. Throws kUnavailable where gnuplot is missing or
// fails, kInvalidArgument for a number that is not finite or a label with other characters.
Html draw(const Plot& plot);
Html draw(const PlotBar& bar);

// To be called before work that ends in a drawing: throws kUnavailable where gnuplot is missing.
void check_plotting();

// Runs gnuplot on a script and returns what it wrote. Throws kUnavailable.
std::string run_gnuplot(const std::string& script);

}  // namespace discreet
