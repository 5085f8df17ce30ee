// Runs trees with BehaviorTree.CPP 4.10.0 and prints what it did with each, as `behavior_tree run --json` does.
//
// Reads the names of tree files from standard input, one a line. Answers each with a line that begins with "@@", as the
// library prints warnings of its own, followed by one JSON object.
//
// Nothing that a run has used is destroyed: a tree that is halted by its destructor may throw there, which ends the process.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include <behaviortree_cpp/bt_factory.h>
#include <behaviortree_cpp/contrib/json.hpp>
#include <behaviortree_cpp/loggers/abstract_logger.h>

using Json = nlohmann::json;

namespace {

class Transitions : public BT::StatusChangeLogger {
public:
  explicit Transitions(BT::TreeNode* root) : StatusChangeLogger(root) {}

  void callback(BT::Duration, const BT::TreeNode& node, BT::NodeStatus from, BT::NodeStatus to) override {
    list.push_back({node.fullPath(), BT::toStr(from), BT::toStr(to)});
  }

  void flush() override {}

  Json list = Json::array();
};

Json real(double value) {
  if (std::isnan(value)) {
    return {{"__double", "nan"}};
  }
  if (std::isinf(value)) {
    return {{"__double", value > 0 ? "inf" : "-inf"}};
  }
  return value;
}

Json value_of(const BT::Any& any) {
  if (any.empty()) {
    return nullptr;
  }
  if (any.type() == typeid(bool)) {
    return any.cast<bool>();
  }
  if (any.castedType() == typeid(int64_t)) {
    return any.cast<int64_t>();
  }
  if (any.castedType() == typeid(uint64_t)) {
    return any.cast<uint64_t>();
  }
  if (any.castedType() == typeid(double)) {
    return real(any.cast<double>());
  }
  return any.isString() ? Json(any.cast<std::string>()) : Json("<other>");
}

Json nodes_of(const BT::Tree& tree) {
  Json nodes = Json::array();
  for (const auto& part : tree.subtrees) {
    for (const auto& node : part->nodes) {
      nodes.push_back({node->fullPath(), node->registrationName(), node->UID()});
    }
  }
  std::sort(nodes.begin(), nodes.end(), [](const Json& a, const Json& b) { return a[2] < b[2]; });
  return nodes;
}

Json run(const std::string& file, int max_ticks, std::chrono::milliseconds period) {
  Json out = {{"error_kind", nullptr}, {"error_message", ""}, {"nodes", Json::array()}, {"transitions", Json::array()},
              {"blackboard", Json::object()}, {"ticks", 0}};
  const auto fail = [&](const char* kind, const std::exception& error) {
    out["result"] = "ERROR";
    out["error_kind"] = kind;
    out["error_message"] = error.what();
  };
  auto& factory = *new BT::BehaviorTreeFactory;
  auto& tree = *new BT::Tree;
  try {
    tree = factory.createTreeFromFile(file);
  } catch (const std::exception& error) {
    fail("load", error);
    return out;
  }
  out["nodes"] = nodes_of(tree);
  auto& transitions = *new Transitions(tree.rootNode());
  int ticks = 0;
  try {
    auto status = BT::NodeStatus::RUNNING;
    while (status == BT::NodeStatus::RUNNING && ticks < max_ticks) {
      ticks++;
      status = tree.tickExactlyOnce();
      if (status == BT::NodeStatus::RUNNING) {
        std::this_thread::sleep_for(period);
      }
    }
    out["result"] = BT::toStr(status);
  } catch (const std::exception& error) {
    fail("runtime", error);
  }
  transitions.setEnabled(false);
  out["ticks"] = ticks;
  out["transitions"] = transitions.list;
  const auto blackboard = tree.rootBlackboard();
  for (const auto key : blackboard->getKeys()) {
    if (const auto entry = blackboard->getEntry(std::string(key))) {
      out["blackboard"][std::string(key)] = value_of(entry->value);
    }
  }
  return out;
}

}  // namespace

// Arguments: how many ticks a tree may take, and how long to wait after each [ms].
int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: driver MAX_TICKS PERIOD_MS < LIST_OF_FILES\n";
    return 2;
  }
  const int max_ticks = std::atoi(argv[1]);
  const std::chrono::milliseconds period(std::atoi(argv[2]));
  for (std::string file; std::getline(std::cin, file);) {
    const Json result = run(file, max_ticks, period);
    std::cout << "\n@@" << result.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
  }
}
