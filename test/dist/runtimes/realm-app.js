// Bundled to a script for realm.js.
import { createUpscaler } from 'carafe-web';
import { attempts } from './attempts.js';

export const answers = () => attempts(createUpscaler);
