import { importUnitTests } from '../helpers/unit-tests.js'

await importUnitTests(0, 2)
