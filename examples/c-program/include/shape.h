#ifndef SHAPE_H
#define SHAPE_H

/* What every shape has. */
struct shape {
    const char *name;
    double area;
};

#endif
