// Times BehaviorTree.CPP 4.10.0 on the trees of `cargo xtask bench tree`: a tick of 1,000 children, the load of 10,000.
// Built as `driver.cpp` is, with the library in its Release build and -O3. Prints medians.

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include <behaviortree_cpp/bt_factory.h>

namespace {

using Clock = std::chrono::steady_clock;

std::string tree_of(const std::string& control, const std::string& child, int n_children) {
  std::string text = "<root BTCPP_format=\"4\"><BehaviorTree ID=\"Main\"><" + control + ">";
  for (int i = 0; i < n_children; i++) {
    text += child;
  }
  return text + "</" + control + "></BehaviorTree></root>";
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void tick(const char* row, const std::string& control, const std::string& child) {
  constexpr int kChildren = 1000, kTicks = 20, kRounds = 60;
  BT::BehaviorTreeFactory factory;
  auto tree = factory.createTreeFromText(tree_of(control, child, kChildren));
  tree.rootBlackboard()->set("x", 1.0);
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; round++) {
    const auto begin = Clock::now();
    for (int i = 0; i < kTicks; i++) {
      tree.tickExactlyOnce();
    }
    const std::chrono::duration<double, std::nano> took = Clock::now() - begin;
    rounds.push_back(took.count() / kTicks / (kChildren + 1));
  }
  std::cout << row << " " << median(rounds) << " ns/node\n";
}

void load(const char* row, const std::string& child) {
  const auto text = tree_of("Sequence", child, 10000);
  std::vector<double> rounds;
  for (int round = 0; round < 7; round++) {
    BT::BehaviorTreeFactory factory;
    const auto begin = Clock::now();
    const auto tree = factory.createTreeFromText(text);
    const std::chrono::duration<double, std::milli> took = Clock::now() - begin;
    rounds.push_back(took.count());
  }
  std::cout << row << " " << median(rounds) << " ms\n";
}

}  // namespace

int main() {
  const std::string skip = "<AlwaysSuccess name=\"n\" _skipIf=\"x &gt; 5\"/>";
  tick("tree_tick_sequence_1000", "Sequence", "<AlwaysSuccess name=\"n\"/>");
  tick("tree_tick_fallback_1000", "Fallback", "<AlwaysFailure name=\"n\"/>");
  tick("tree_tick_skip_if_1000", "Sequence", skip);
  tick("tree_tick_reactive_1000", "ReactiveSequence", "<AlwaysSuccess name=\"n\"/>");
  load("tree_load_10001", "<AlwaysSuccess name=\"n\"/>");
  load("tree_load_10001_scripts", skip);
}
