# shellcheck shell=bash disable=SC2034
# packages.sh - the Debian packages that Coatcheck stands on; sourced by setup.
# libraft-dev is not in these lists: setup takes it from the suite that fits.
RAFT_VERSION_MIN=0.22.1
BUILD_PACKAGES=(
    gcc g++ make cmake ninja-build pkg-config ca-certificates
    libuv1-dev libprotobuf-c-dev protobuf-c-compiler librocksdb-dev
    libcyaml-dev libyaml-dev libjansson-dev libsmartcols-dev libedit-dev
    libisal-dev libxxhash-dev
    uthash-dev libbsd-dev libjemalloc-dev libsystemd-dev
)
TEST_PACKAGES=(
    libcmocka-dev clang clang-format libclang-rt-dev python3 git strace
    debootstrap procps curl psmisc iproute2 libfaketime valgrind
    redis-server redis-tools libhiredis-dev python3-redis nodejs
    autoconf automake libtool liblz4-dev dpkg-dev zsh fish
)
