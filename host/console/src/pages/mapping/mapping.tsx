export { default } from './choose.tsx';
