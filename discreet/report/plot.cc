#include "discreet/report/plot.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <regex>

#include "discreet/base/error.h"

namespace discreet {
namespace {

// Each ink is a colour that nothing else uses, replaced by a class in what gnuplot wrote.
struct InkName {
  Ink ink;
  const char* colour;
  const char* drawn;  // how gnuplot writes it
  const char* name;
};
constexpr std::array<InkName, 3> kInks = {{{Ink::kAccent, "#0000a1", "161", "accent"},
                                           {Ink::kSecond, "#0000a2", "162", "second"},
                                           {Ink::kQuiet, "#0000a3", "163", "quiet"}}};

std::string colour(Ink ink) {
  for (const InkName& entry : kInks) {
    if (entry.ink == ink) return std::string("rgb '") + entry.colour + "'";
  }
  throw Error(ErrorKind::kInvalidArgument, "unknown ink");
}

std::string number(double value) {
  if (!std::isfinite(value)) throw Error(ErrorKind::kInvalidArgument, "a plot needs finite numbers");
  char buffer[40];
  std::snprintf(buffer, sizeof(buffer), "%.10g", value);
  return buffer;
}

// Quoted for gnuplot. Only characters that mean nothing to it or to SVG may stand in a label.
std::string quoted(std::string_view words) {
  static const std::regex allowed("([A-Za-z0-9 .,:%()+/=-]|\u00A0)*");
  if (!std::regex_match(words.begin(), words.end(), allowed)) {
    throw Error(ErrorKind::kInvalidArgument,
                "a plot's label may hold letters, digits and . , : % ( ) + - / = only");
  }
  return "'" + std::string(words) + "'";
}

std::string terminal(int width, int height) {
  return "set terminal svg size " + std::to_string(width) + "," + std::to_string(height) +
         " dynamic noenhanced font ',12'\nset encoding utf8\nunset key\n";
}

std::string axis(const std::string& name, const PlotAxis& axis) {
  std::string script = "set " + name + "range [" + number(axis.low) + ":" + number(axis.high) + "]\n";
  if (axis.logarithmic) script += "set logscale " + name + "\n";
  script += "set format " + name + " " +
            quoted("%g" + (axis.suffix == "%" ? std::string("%%") : axis.suffix)) + "\n";
  script += "set " + name + "label " + quoted(axis.label) + " textcolor " + colour(Ink::kQuiet) + "\n";
  script += "set " + name + "tics nomirror out scale 0.4 textcolor " + colour(Ink::kQuiet) +
            (axis.step > 0 ? " " + number(axis.step) : "") + "\n";
  return script;
}

std::string label(const PlotLabel& label) {
  const char* side = label.side == PlotLabel::Side::kLeft     ? "left"
                     : label.side == PlotLabel::Side::kCentre ? "center"
                                                              : "right";
  return "set label " + quoted(label.words) + " at " + number(label.at.x) + "," + number(label.at.y) + " " +
         side + " front textcolor " + colour(label.ink) + "\n";
}

// gnuplot's document -> an element of our page: no prologue, titles, ids, fonts or fixed colours.
Html inline_svg(std::string svg, const std::string& style, const std::string& description, int width,
                int height) {
  const size_t body = svg.find("</defs>");
  if (body == std::string::npos)
    throw Error(ErrorKind::kUnavailable, "gnuplot wrote an SVG of an unknown form");
  svg = svg.substr(body + 7);
  svg = svg.substr(0, svg.rfind("</g>"));
  const auto replace = [&](const std::string& pattern, const std::string& with) {
    svg = std::regex_replace(svg, std::regex(pattern), with);
  };
  replace(" ?= ?'", "='");
  for (const InkName& ink : kInks) {
    const std::string drawn = std::string("rgb\\( *0, *0, *") + ink.drawn + "\\)";
    const std::string name = ink.name;
    replace("<use xlink:href='#gpPt6' (transform='[^']*') color='" + drawn + "'/>",
            "<circle r=\"1\" $1 class=\"fill-" + name + "\" stroke=\"none\"/>");
    replace("stroke=['\"]" + drawn + "['\"]", "class=\"line-" + name + "\"");
    replace("fill=['\"]" + drawn + "['\"]", "class=\"fill-" + name + "\"");
  }
  replace(" id=\"[^\"]*\"", "");
  replace("<title>[^<]*</title>", "");
  replace(" font-family=\"[^\"]*\"", "");
  replace(" color=['\"][^'\"]*['\"]", "");
  replace("<g[^>]*>\\s*</g>\\s*", "");
  replace("\\s*\\n\\s*", "\n");
  const Html title = element("title", description);
  return element("svg",
                 {{"class", style},
                  {"role", "img"},
                  {"viewbox", "0 0 " + std::to_string(width) + " " + std::to_string(height)},
                  {"aria-label", description}},
                 title + own_markup(svg));
}

}  // namespace

Html draw(const Plot& plot) {
  std::string script = terminal(plot.width, plot.height);
  script += "set border 3 linecolor " + colour(Ink::kQuiet) + " linewidth 0.6\n";
  script += "set rmargin " + std::to_string(plot.right_margin) + "\n";
  script += axis("x", plot.x) + axis("y", plot.y);
  for (const PlotLabel& words : plot.labels) script += label(words);
  std::string commands;
  const auto add = [&](const std::string& command) { commands += (commands.empty() ? "" : ", ") + command; };
  for (size_t i = 0; i < plot.lines.size(); ++i) {
    const PlotLine& line = plot.lines[i];
    if (line.points.size() < 2) throw Error(ErrorKind::kInvalidArgument, "a line of a plot needs two points");
    const PlotLine* next = line.shade_to_next && i + 1 < plot.lines.size() ? &plot.lines[i + 1] : nullptr;
    if (next && next->points.size() != line.points.size()) {
      throw Error(ErrorKind::kInvalidArgument, "shading needs two lines over the same x values");
    }
    const std::string block = "$line" + std::to_string(i);
    script += block + " << END\n";
    for (size_t j = 0; j < line.points.size(); ++j) {
      script += number(line.points[j].x) + " " + number(line.points[j].y);
      script += next ? " " + number(next->points[j].y) + "\n" : "\n";
    }
    script += "END\n";
    if (next)
      add(block + " using 1:2:3 with filledcurves fillcolor " + colour(line.ink) +
          " fillstyle solid 0.10 noborder");
    add(block + " using 1:2 with lines linewidth " + (line.ink == Ink::kQuiet ? "1" : "2.2") + " linecolor " +
        colour(line.ink) + (line.dashed ? " dashtype (6,6)" : ""));
  }
  if (!plot.dots.empty()) {
    script += "$dots << END\n";
    for (const PlotPoint& dot : plot.dots) script += number(dot.x) + " " + number(dot.y) + "\n";
    script += "END\n";
    add("$dots with points pointtype 7 pointsize 0.75 linecolor " + colour(Ink::kAccent));
  }
  if (commands.empty()) throw Error(ErrorKind::kInvalidArgument, "a plot needs a line or a dot");
  return inline_svg(run_gnuplot(script + "plot " + commands + "\n"), "plot", plot.description, plot.width,
                    plot.height);
}

Html draw(const PlotBar& bar) {
  double total = 0;
  for (const PlotBar::Part& part : bar.parts) total += part.length;
  if (!(total > 0) || !std::isfinite(total))
    throw Error(ErrorKind::kInvalidArgument, "a bar needs a positive length");
  std::string script = terminal(bar.width, bar.height);
  script += "set margins 0,0,0,0\nunset border\nunset tics\nset xrange [0:1]\nset yrange [0:1]\n";
  const double gap = 0.004;
  double start = 0;
  int index = 1;
  for (const PlotBar::Part& part : bar.parts) {
    const double share = part.length / total;
    const double end = start + share;
    const double drawn_end = end < 1 - 1e-9 ? std::max(end - gap, start + 0.001) : 1.0;
    script += "set object " + std::to_string(index++) + " rectangle from " + number(start) + ",0 to " +
              number(drawn_end) + ",1 fillcolor " + colour(part.ink) + " fillstyle solid 1 noborder\n";
    start = end;
  }
  script += "plot 2 with lines linecolor " + colour(Ink::kQuiet) + "\n";
  return inline_svg(run_gnuplot(script), "plot bar", bar.description, bar.width, bar.height);
}

void check_plotting() {
  run_gnuplot(terminal(10, 10) + "plot 0\n");
}

}  // namespace discreet
