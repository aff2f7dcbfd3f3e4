import { importUnitTests } from '../helpers/unit-tests.js'

await importUnitTests(1, 2)
