#ifndef CIRCLE_H
#define CIRCLE_H

#include "shape.h"

struct shape circle(double radius);

#endif
