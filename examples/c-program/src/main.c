#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "circle.h"
#include "square.h"
#include "version.h"

int main(int argc, char **argv) {
    printf("shapes %s\n", SHAPES_VERSION);
    for (int i = 1; i + 1 < argc; i += 2) {
        double size = atof(argv[i + 1]);
        struct shape made = strcmp(argv[i], "circle") == 0 ? circle(size) : square(size);
        printf("%s %.2f\n", made.name, made.area);
    }
    return 0;
}
