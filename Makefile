# Eight words; the presets do the work.
.PHONY: all test run asan tsan format tidy bench-budgets
all:
	cmake --preset dev && cmake --build build/dev
test:
	bash tests/run.sh --quick
run:
	bash deploy/quickstart.sh
asan:
	cmake --preset asan-ubsan && cmake --build build/asan-ubsan && ctest --test-dir build/asan-ubsan
tsan:
	cmake --preset tsan && cmake --build build/tsan && ctest --test-dir build/tsan
format:
	git ls-files '*.cc' '*.h' '*.c' | xargs clang-format -i
tidy:
	cmake --preset dev && git ls-files '*.cc' | grep -v '^tests/' | xargs clang-tidy -p build/dev --quiet
bench-budgets:
	cmake --preset release && cmake --build build/release && build/release/bin/countersign bench-budgets --out build/bench_budgets.json
