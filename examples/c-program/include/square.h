#ifndef SQUARE_H
#define SQUARE_H

#include "shape.h"

struct shape square(double side);

#endif
