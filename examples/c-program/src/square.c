#include "square.h"

struct shape square(double side) {
    struct shape made = {"square", side * side};
    return made;
}
